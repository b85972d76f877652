/* Included first when code is built for fuzzing: its variables lie in sections that fake_rewind() finds. */
#ifdef __clang__
#pragma clang section bss = "fake_bss" data = "fake_data"
#endif
