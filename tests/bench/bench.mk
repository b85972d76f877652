# Benchmarks in Bochs, with KVM beside. Included by the top-level Makefile.
.PHONY: bench
bench: all guest ## measure round trips, and KVM's in the same emulator (BENCH_OPTIONS=--no-kvm: ours only)
	@tests/bench/run $(BENCH_OPTIONS)
