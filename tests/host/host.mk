# Tests of the pure code on the host: unit tests under ASan and UBSan (host-test), fuzzing (fuzz-smoke), races (tsan-test).
# Included by the top-level Makefile; works alone too: make -f tests/host/host.mk host-test
#
# tests/host/test_X.c is a cmocka program, tests/host/tsan_X.c one that runs under ThreadSanitizer, tests/fuzz/fuzz_X.c a
# libFuzzer target; any other .c file in tests/host is linked to all of them.

HOSTCC   ?= gcc
CLANG    ?= clang
BUILD    ?= build
FUZZ_RUNS    ?= 100000
FUZZ_SECONDS ?= 20
FUZZ_SEED    ?= 1
DISPATCHER_SECONDS ?= $(FUZZ_SECONDS)

# Code without hardware access: whole layers, and from the others what is pure. lib/string.c is left out, as the
# C library has those functions.
PURE_SOURCES := $(filter-out lib/string.c,$(wildcard lib/*.c mm/*.c guest/*.c \
	boot/block.c \
	boot/efi_tables.c \
	boot/multiboot2.c \
	boot/old_log.c \
	boot/preflight.c \
	boot/ram.c \
	arch/x86/acpi.c \
	arch/x86/aml.c \
	arch/x86/backtrace.c \
	arch/x86/console_words.c \
	arch/x86/font.c \
	arch/x86/framebuffer.c \
	arch/x86/guest_walk.c \
	arch/x86/pci_uart.c \
	arch/x86/mux_rows.c \
	arch/x86/serial_mux.c \
	arch/x86/uart16550.c \
	arch/x86/mitigations.c \
	arch/x86/vmx/controls.c \
	arch/x86/vmx/entry_*.c \
	arch/x86/vmx/properties.c \
	vmm/*_policy.c \
	vmm/ap_mailbox.c \
	vmm/guest_linear.c \
	vmm/line_edit.c \
	vmm/monitor_command.c \
	vmm/task_segments.c \
	vmm/task_switch.c))

# The exit path, on a fake machine: with the headers of tests/fake in the place of those that hold assembly.
# Without the monitor, which needs a serial line.
FAKE_SOURCES := $(filter-out $(PURE_SOURCES) vmm/monitor%,$(wildcard arch/x86/lapic_reset.c arch/x86/mtrr_msrs.c arch/x86/vmx/*.c vmm/*.c tests/fake/*.c))

HOST_CFLAGS := -std=gnu11 -g -O1 -Wall -Wextra -Werror -Wstrict-prototypes -Wshadow -fno-omit-frame-pointer -MMD -MP -I.
HOST_ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all
HOST_FUZZ := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
HOST_TSAN := -fsanitize=thread

HOST_SUPPORT := $(filter-out tests/host/test_% tests/host/tsan_%,$(wildcard tests/host/*.c))
HOST_TESTS := $(patsubst tests/host/%.c,$(BUILD)/host/%,$(wildcard tests/host/test_*.c))
HOST_TSANS := $(patsubst tests/host/%.c,$(BUILD)/host/%,$(wildcard tests/host/tsan_*.c))
HOST_FUZZES := $(patsubst tests/fuzz/%.c,$(BUILD)/host/%,$(wildcard tests/fuzz/fuzz_*.c))

# The same sources three times, each way instrumented by itself.
host_objects = $(patsubst %,$(BUILD)/host/$(1)/%.o,$(2))
FAKE_ASAN_OBJECTS := $(call host_objects,fake-asan,$(FAKE_SOURCES))
FAKE_FUZZ_OBJECTS := $(call host_objects,fake-fuzz,$(FAKE_SOURCES))
PLAIN_OBJECTS := $(call host_objects,plain,$(PURE_SOURCES) $(HOST_SUPPORT))
HOST_ASAN_OBJECTS := $(call host_objects,asan,$(PURE_SOURCES) $(HOST_SUPPORT))
HOST_FUZZ_OBJECTS := $(call host_objects,fuzz,$(PURE_SOURCES) $(HOST_SUPPORT))
HOST_TSAN_OBJECTS := $(call host_objects,tsan,$(PURE_SOURCES) $(HOST_SUPPORT))

.PHONY: host-test fuzz-smoke fuzz tsan-test
.SECONDARY:

host-test: $(HOST_TESTS) ## unit tests of the pure code, under ASan and UBSan
	@tests/host/run-all $(HOST_TESTS)

tsan-test: $(HOST_TSANS) ## tests of the concurrent pure code, under ThreadSanitizer
	@tests/host/run-all $(HOST_TSANS)

fuzz-smoke: $(HOST_FUZZES) $(BUILD)/host/corpus ## fuzz each parser and the exit path for a few seconds
	@for fuzz in $(HOST_FUZZES); do \
	    name=$${fuzz##*/fuzz_}; log=$(BUILD)/host/fuzz-$$name.log; \
	    mkdir -p $(BUILD)/host/found/$$name $(BUILD)/host/corpus/$$name; \
	    seconds=$(FUZZ_SECONDS); [ $$name != dispatcher ] || seconds=$(DISPATCHER_SECONDS); \
	    $$fuzz -seed=$(FUZZ_SEED) -runs=$(FUZZ_RUNS) -max_total_time=$$seconds -max_len=4096 -timeout=60 -verbosity=0 \
	        -print_final_stats=1 -artifact_prefix=$(BUILD)/host/crash-$$name- \
	        $(BUILD)/host/found/$$name $(BUILD)/host/corpus/$$name >$$log 2>&1 || { cat $$log; exit 1; }; \
	    echo "ok    fuzz_$$name ($$(sed -n 's/^stat::number_of_executed_units: *//p' $$log) runs)"; \
	done

# What has led to new code is kept in build/host/found, and is where the next run begins.
fuzz: ## the same for a night: 10^7 runs each, half an hour at most; those of the exit path whatever they take
	@$(MAKE) --no-print-directory fuzz-smoke FUZZ_RUNS=10000000 FUZZ_SECONDS=1800 DISPATCHER_SECONDS=14400 FUZZ_SEED=0

# Seeds are kept as text, one file of hexadecimal digits each.
$(BUILD)/host/corpus: tests/fuzz/make-corpus $(wildcard tests/fuzz/corpus/*/*.hex)
	@tests/fuzz/make-corpus tests/fuzz/corpus $@
	@touch $@

$(BUILD)/host/asan/%.c.o: %.c tests/host/host.mk
	@mkdir -p $(dir $@)
	$(HOSTCC) $(HOST_CFLAGS) $(HOST_ASAN) -c -o $@ $<

$(BUILD)/host/fake-asan/%.c.o: %.c tests/host/host.mk
	@mkdir -p $(dir $@)
	$(HOSTCC) -Itests/fake $(HOST_CFLAGS) $(HOST_ASAN) -c -o $@ $<

$(BUILD)/host/fake-fuzz/%.c.o: %.c tests/host/host.mk
	@mkdir -p $(dir $@)
	$(CLANG) -include tests/fake/fake_sections.h -Itests/fake $(HOST_CFLAGS) $(HOST_FUZZ) -c -o $@ $<

# Not what is to be covered: the fake machine itself, and beside it the pure code, which has fuzz targets of its own.
$(BUILD)/host/fake-fuzz/tests/%: HOST_FUZZ = $(HOST_ASAN)

$(BUILD)/host/fake-tsan/%.c.o: %.c tests/host/host.mk
	@mkdir -p $(dir $@)
	$(HOSTCC) -Itests/fake $(HOST_CFLAGS) $(HOST_TSAN) -c -o $@ $<

$(BUILD)/host/plain/%.c.o: %.c tests/host/host.mk
	@mkdir -p $(dir $@)
	$(CLANG) $(HOST_CFLAGS) $(HOST_ASAN) -c -o $@ $<

$(BUILD)/host/fuzz/%.c.o: %.c tests/host/host.mk
	@mkdir -p $(dir $@)
	$(CLANG) $(HOST_CFLAGS) $(HOST_FUZZ) -c -o $@ $<

$(BUILD)/host/tsan/%.c.o: %.c tests/host/host.mk
	@mkdir -p $(dir $@)
	$(HOSTCC) $(HOST_CFLAGS) $(HOST_TSAN) -c -o $@ $<

# It sees every rule that is looked at, to find those without a test.
$(BUILD)/host/test_entry_checks: HOST_LINK := -Wl,--wrap=entry_expect

# An archive, so that a program takes only what it uses. Made anew: a source that is gone must not linger in it.
$(BUILD)/host/libpure.a: $(HOST_ASAN_OBJECTS)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/host/libfake.a: $(FAKE_ASAN_OBJECTS)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/host/libfake-fuzz.a: $(FAKE_FUZZ_OBJECTS)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/host/libpure-plain.a: $(PLAIN_OBJECTS)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/host/libpure-fuzz.a: $(HOST_FUZZ_OBJECTS)
	@rm -f $@ && ar rcs $@ $^

$(BUILD)/host/libpure-tsan.a: $(HOST_TSAN_OBJECTS)
	@rm -f $@ && ar rcs $@ $^

# Those that use the fake machine, and so the guest's memory behind Plinth's window, not that of tests/host/guest_world.c
FAKE_LINK := -Wl,-u,guest_entry_read
FAKE_TESTS := test_vmx_decode test_exits test_lapic_reset test_invept test_table_pool test_steps test_statistics test_policies test_port_string
$(addprefix $(BUILD)/host/,$(FAKE_TESTS)): $(BUILD)/host/%: $(BUILD)/host/fake-asan/tests/host/%.c.o $(BUILD)/host/libfake.a $(BUILD)/host/libpure.a
	$(HOSTCC) $(HOST_ASAN) $(FAKE_LINK) -o $@ $^ -lcmocka -lpthread

$(BUILD)/host/test_%: $(BUILD)/host/asan/tests/host/test_%.c.o $(BUILD)/host/libpure.a
	$(HOSTCC) $(HOST_ASAN) -o $@ $^ $(HOST_LINK) -lcmocka -lpthread

# They are the machine themselves, for what has no other fake.
$(BUILD)/host/test_serial: $(BUILD)/host/fake-asan/tests/host/test_serial.c.o $(call host_objects,fake-asan,arch/x86/serial.c arch/x86/uart.c) $(BUILD)/host/libpure.a
	$(HOSTCC) $(HOST_ASAN) -o $@ $^ -lcmocka -lpthread

$(BUILD)/host/test_smp: $(call host_objects,asan,tests/host/test_smp.c boot/smp.c) $(BUILD)/host/libpure.a
	$(HOSTCC) $(HOST_ASAN) -o $@ $^ -lcmocka -lpthread

$(BUILD)/host/tsan_serial: $(BUILD)/host/fake-tsan/tests/host/tsan_serial.c.o $(call host_objects,fake-tsan,arch/x86/serial.c arch/x86/uart.c) $(BUILD)/host/libpure-tsan.a
	$(HOSTCC) $(HOST_TSAN) -o $@ $^ -lcmocka -lpthread

$(BUILD)/host/tsan_%: $(BUILD)/host/tsan/tests/host/tsan_%.c.o $(BUILD)/host/libpure-tsan.a
	$(HOSTCC) $(HOST_TSAN) -o $@ $^ -lcmocka -lpthread

# The same
$(BUILD)/host/fuzz_dispatcher: $(BUILD)/host/fake-fuzz/tests/fuzz/fuzz_dispatcher.c.o $(BUILD)/host/libfake-fuzz.a $(BUILD)/host/libpure-plain.a
	$(CLANG) -fsanitize=fuzzer,address,undefined $(FAKE_LINK) -o $@ $^ -lpthread

$(BUILD)/host/fuzz_%: $(BUILD)/host/fuzz/tests/fuzz/fuzz_%.c.o $(BUILD)/host/libpure-fuzz.a
	$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ -lpthread

-include $(wildcard $(BUILD)/host/*/*/*/*.d $(BUILD)/host/*/*/*.d $(BUILD)/host/*/*/*/*/*.d)
