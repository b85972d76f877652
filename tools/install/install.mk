# Installing Plinth beside GRUB, and Debian's package of it. Included by the top-level Makefile.
#
# DESTDIR comes before every path; bootdir and sysconfdir are what they are everywhere.

DESTDIR    ?=
bootdir    ?= /boot
sysconfdir ?= /etc

DEB := $(BUILD)/plinth_$(VERSION)_amd64.deb

.PHONY: install uninstall deb test-install

install: $(BUILD)/plinth.elf ## put Plinth into /boot and its generator of menu entries into /etc/grub.d (DESTDIR)
	@DESTDIR="$(DESTDIR)" bootdir="$(bootdir)" sysconfdir="$(sysconfdir)" tools/install/install $<

uninstall: ## remove what `make install` installed (DESTDIR)
	@DESTDIR="$(DESTDIR)" bootdir="$(bootdir)" sysconfdir="$(sysconfdir)" tools/install/install --remove

deb: $(DEB) ## build/plinth_VERSION_amd64.deb, a Debian package of the same

$(DEB): $(BUILD)/plinth.elf $(wildcard tools/install/*) $(wildcard tools/install/debian/*) LICENSE
	@tools/install/make-deb $< $(VERSION) $@

test-install: ## the package on a whole Debian system, fetched by debootstrap (as root), from disks of it in QEMU and Bochs
	@tools/setup --with debootstrap
	@$(MAKE) --no-print-directory all
	@tools/run-tests --only boot --suite full -k test_install_debian -j 1
