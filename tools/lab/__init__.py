"""The emulated lab: builds guests and boot images, and runs them in Bochs and QEMU."""
