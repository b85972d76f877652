# Images for boot tests: Plinth as it is, with a fault planted in the VMCS before the first entry (tests/boot/plant.c).
# $(BUILD)/planted/FIELD-VALUE.elf, for any field of arch/x86/vmx/vmcs_fields.def.
plant = $(word $(1),$(subst -, ,$(2)))

$(BUILD)/planted/%.o: tests/boot/plant.c Makefile tests/boot/boot.mk
	@mkdir -p $(dir $@)
	@$(CC) $(CFLAGS) -DPLANT_FIELD=VMCS_$(call plant,1,$*) -DPLANT_VALUE=$(call plant,2,$*) -c -o $@ $<

# Faults in C, beside that in the VMCS: functions of Plinth's wrapped by those of a file.
PLANTED_no-start := virt_start_cpu
PLANTED_crash := preflight_report

$(BUILD)/planted/no-start.elf $(BUILD)/planted/crash.elf: $(BUILD)/planted/%.elf: tests/boot/plant_%.c $(OBJECTS) linker.ld Makefile
	@mkdir -p $(dir $@)
	@$(CC) $(CFLAGS) -c -o $(@:.elf=.o) $<
	@$(CC) $(LDFLAGS) -Wl,--wrap=$(PLANTED_$*) -o $@ $(OBJECTS) $(@:.elf=.o)

$(BUILD)/planted/%.elf: $(BUILD)/planted/%.o $(OBJECTS) linker.ld
	@$(CC) $(LDFLAGS) -Wl,--wrap=virt_launch -o $@ $(OBJECTS) $<

# $(BUILD)/planted/end-NAME.elf: a bad end, plant_NAME() of tests/boot/plant_end.c.
$(BUILD)/planted/end-%.o: tests/boot/plant_end.c Makefile tests/boot/boot.mk
	@mkdir -p $(dir $@)
	@$(CC) $(CFLAGS) -DPLANT_END=plant_$* -c -o $@ $<
