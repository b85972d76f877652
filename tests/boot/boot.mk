# Images for boot tests: Plinth as it is, with a fault planted in the VMCS before the first entry (tests/boot/plant.c).
# $(BUILD)/planted/FIELD-VALUE.elf, for any field of arch/x86/vmx/vmcs_fields.def.
plant = $(word $(1),$(subst -, ,$(2)))

$(BUILD)/planted/%.o: tests/boot/plant.c Makefile tests/boot/boot.mk
	@mkdir -p $(dir $@)
	@$(CC) $(CFLAGS) -DPLANT_FIELD=VMCS_$(call plant,1,$*) -DPLANT_VALUE=$(call plant,2,$*) -c -o $@ $<

$(BUILD)/planted/%.elf: $(BUILD)/planted/%.o $(OBJECTS) linker.ld
	@$(CC) $(LDFLAGS) -Wl,--wrap=virt_launch -o $@ $(OBJECTS) $<

# $(BUILD)/planted/end-NAME.elf: a bad end, plant_NAME() of tests/boot/plant_end.c.
$(BUILD)/planted/end-%.o: tests/boot/plant_end.c Makefile tests/boot/boot.mk
	@mkdir -p $(dir $@)
	@$(CC) $(CFLAGS) -DPLANT_END=plant_$* -c -o $@ $<
