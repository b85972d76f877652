"""`make install`, the Debian package and GRUB's menu: what they put where, and that the machine starts from it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sysroot
from lab import disk, emulator
from lab.command import run
from lab.machine import Config
from lab.paths import BUILD, ROOT
from machines import GUEST

INSTALLED = {"boot/plinth.elf": 0o644, "etc/grub.d/20_linux_plinth": 0o755, "etc/default/grub.d/plinth.cfg": 0o644}
GRUB_MODULES = "/usr/lib/grub/i386-pc"
SIMPLE = f"plinth-gnulinux-simple-{disk.UUID}"

ENTRY = re.compile(r"^(\t*)menuentry '([^\n]*?)' --class[^\n]*'(plinth-[^']*)' \{\n(.*?)^\1\}$", re.MULTILINE | re.DOTALL)


def files(tree):
    """The files under a tree: {name: mode}."""
    return {str(path.relative_to(tree)): path.stat().st_mode & 0o7777 for path in tree.rglob("*") if path.is_file()}


def make(target, *variables):
    """Run a make target that must work; its output."""
    done = sysroot.make_target(target, *variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def system(directory):
    """A system with Plinth installed, GRUB's settings of a test, and no kernel yet."""
    tree = sysroot.make(directory / "tree")
    make("install", f"DESTDIR={tree}")
    settings(tree)
    return tree


def settings(tree, *lines):
    """/etc/default/grub, with more lines than every test needs."""
    common = ["GRUB_DISTRIBUTOR=Debian", "GRUB_TIMEOUT=0", "GRUB_TERMINAL=console", 'GRUB_CMDLINE_LINUX="always=1"',
              'GRUB_CMDLINE_LINUX_DEFAULT="quiet"']
    (tree / "etc/default/grub").write_text("\n".join([*common, *lines]) + "\n")


def add_kernel(tree, version, initrd=None):
    """A kernel in /boot, and an initrd if it is given a name."""
    shutil.copy(GUEST, tree / f"boot/vmlinuz-{version}")
    if initrd:
        (tree / "boot" / initrd).write_text("an initrd")


def menu(tree, **environment):
    """Run the real grub-mkconfig, which checks the syntax too: (grub.cfg, what it said)."""
    done = sysroot.run(tree, "grub-mkconfig", "-o", "/boot/grub/grub.cfg", **environment)
    assert done.returncode == 0, done.stderr
    return (tree / "boot/grub/grub.cfg").read_text(), done.stderr


def entries(text):
    """Plinth's entries: {id without the file system's UUID: (title, commands)}."""
    return {name.removesuffix(f"-{disk.UUID}"): (title, [line.strip() for line in body.splitlines()])
            for _, title, name, body in ENTRY.findall(text)}


def commands(entry, word):
    """The commands of an entry that begin with a word."""
    return [line for line in entry[1] if line.split()[0] == word]


# ---- Files ----


def test_install_and_uninstall(directory):
    """Exactly three files come, the program stripped, and exactly they go."""
    tree = directory / "tree"
    (tree / "boot").mkdir(parents=True)
    (tree / "boot/vmlinuz-6.1").write_text("a kernel")
    before = files(tree)
    output = make("install", f"DESTDIR={tree}")
    assert "update-grub" not in output, "a packed tree has no menu"
    assert files(tree) == {**before, **INSTALLED}
    assert (tree / "boot/plinth.elf").stat().st_size < (BUILD / "plinth.elf").stat().st_size / 2
    make("install", f"DESTDIR={tree}")  # again, over itself
    assert files(tree) == {**before, **INSTALLED}
    make("uninstall", f"DESTDIR={tree}")
    assert files(tree) == before


def test_install_elsewhere(directory):
    """bootdir and sysconfdir are honoured, as for a GRUB with other folders."""
    make("install", f"DESTDIR={directory}/tree", "bootdir=/efi/boot", "sysconfdir=/usr/local/etc")
    names = {name.replace("boot/", "efi/boot/").replace("etc/", "usr/local/etc/") for name in INSTALLED}
    assert set(files(directory / "tree")) == names


def test_menu_of_another_folder(directory):
    """With another bootdir the generator looks there for Plinth and the kernels, and nowhere else."""
    tree = sysroot.make(directory / "tree")
    make("install", f"DESTDIR={tree}", "bootdir=/efi-2/boot")
    settings(tree)
    add_kernel(tree, "6.1")
    for name in ("vmlinuz-5.9", "vmlinuz-5.10"):
        shutil.copy(GUEST, tree / "efi-2/boot" / name)
    (tree / "efi-2/boot/initrd.img-5.10").write_text("an initrd")
    text, _ = menu(tree)
    simple = entries(text)["plinth-gnulinux-simple"]
    assert commands(simple, "multiboot2") == ["multiboot2 /efi-2/boot/plinth.elf"]
    assert commands(simple, "module2") == ["module2 /efi-2/boot/vmlinuz-5.10 root=/dev/sda1 ro always=1 quiet",
                                           "module2 --nounzip /efi-2/boot/initrd.img-5.10"]
    assert "plinth-gnulinux-5.9-advanced" in text and "plinth-gnulinux-6.1" not in text


def test_changed_settings_stay(directory):
    """What the user wrote into plinth.cfg is neither overwritten nor removed."""
    tree = directory / "tree"
    make("install", f"DESTDIR={tree}")
    cfg = tree / "etc/default/grub.d/plinth.cfg"
    cfg.write_text("GRUB_CMDLINE_PLINTH=log=debug\n")
    assert "kept" in make("install", f"DESTDIR={tree}")
    assert "kept" in make("uninstall", f"DESTDIR={tree}")
    assert files(tree) == {"etc/default/grub.d/plinth.cfg": 0o644}
    assert cfg.read_text() == "GRUB_CMDLINE_PLINTH=log=debug\n"


def test_full_boot(directory):
    """No room in /boot: one message with figures and the remedy, and everything as it was, an older Plinth too."""
    tree = directory / "tree"
    (tree / "boot").mkdir(parents=True)
    script = """
    mount -t tmpfs -o size=64k tmpfs "$1/boot"
    echo old >"$1/boot/plinth.elf"
    DESTDIR=$1 tools/install/install build/plinth.elf
    echo "status $?; $(ls "$1/boot") $(cat "$1/boot/plinth.elf")"
    """
    done = sysroot.unshare("sh", "-c", f"cd {ROOT}; {script}", "sh", tree)
    assert re.search(r"install: \S+/boot/plinth.elf needs \d+ KiB; free there: 60 KiB. On a full /boot remove old kernels", done.stderr)
    assert "nothing was changed" in done.stderr
    assert "status 1; plinth.elf old" in done.stdout
    assert not files(tree), "the settings were installed without the program"


def test_boot_that_cannot_be_written(directory):
    """Neither is the reason taken for another, nor anything changed."""
    script = """
    mkdir -p "$1/boot" && mount -t tmpfs -o size=1m,ro tmpfs "$1/boot"
    DESTDIR=$1 tools/install/install build/plinth.elf
    echo "status $?"
    """
    done = sysroot.unshare("sh", "-c", f"cd {ROOT}; {script}", "sh", directory / "tree")
    assert "boot can't be written to: are you root?" in done.stderr and "nothing was changed" in done.stderr
    assert "status 1" in done.stdout and "remove old kernels" not in done.stderr
    assert not files(directory / "tree")


# ---- GRUB's menu ----


def test_menu(system):
    """An entry for the newest kernel, a submenu with all of them, each with its own initrd; one without is started without."""
    add_kernel(system, "6.1.0-9-amd64", "initrd.img-6.1.0-9-amd64")
    add_kernel(system, "6.1.0-10-amd64", "initrd.img-6.1.0-10-amd64")
    add_kernel(system, "5.10-custom")
    text, said = menu(system)
    found = entries(text)
    order = ["6.1.0-10-amd64", "6.1.0-9-amd64", "5.10-custom"]
    assert list(found) == ["plinth-gnulinux-simple"] + [
        f"plinth-gnulinux-{version}-{kind}" for version in order for kind in ("advanced", "recovery")]
    simple = found["plinth-gnulinux-simple"]
    assert simple[0] == "Debian GNU/Linux, with Plinth"
    assert commands(simple, "multiboot2") == ["multiboot2 /boot/plinth.elf"]
    assert commands(simple, "module2") == ["module2 /boot/vmlinuz-6.1.0-10-amd64 root=/dev/sda1 ro always=1 quiet",
                                           "module2 --nounzip /boot/initrd.img-6.1.0-10-amd64"]
    assert f"search --no-floppy --fs-uuid --set=root {disk.UUID}" in simple[1]
    title, _ = recovery = found["plinth-gnulinux-6.1.0-9-amd64-recovery"]
    assert title == "Debian GNU/Linux, with Plinth and Linux 6.1.0-9-amd64 (recovery mode)"
    assert commands(recovery, "module2")[0] == "module2 /boot/vmlinuz-6.1.0-9-amd64 root=/dev/sda1 ro single always=1"
    assert len(commands(found["plinth-gnulinux-5.10-custom-advanced"], "module2")) == 1
    assert text.count("submenu 'Advanced options for Debian GNU/Linux (Plinth)'") == 1
    assert "Found linux image: /boot/vmlinuz-6.1.0-9-amd64 (Plinth)" in said


def test_menu_has_the_order_of_grubs_own(system):
    """Candidates, old copies, local versions: the newest kernel is the one that GRUB's own menu has first, and so on."""
    versions = ["6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-10-rt-amd64", "6.6.0-rc5", "6.6.0", "6.6.0.old", "6.5.0+", "6.5.0~rc1",
                "6.5.0", "5.10.0-trunk-amd64", "5.10.0-1-amd64", "6.10.3"]
    for version in versions:
        add_kernel(system, version)
    settings(system, "GRUB_DISABLE_RECOVERY=true")
    text, _ = menu(system)
    ours = [name.removeprefix("plinth-gnulinux-").removesuffix("-advanced") for name in entries(text) if name.endswith("-advanced")]
    stock = re.findall(r"'gnulinux-([^']*)-advanced-", text)
    assert ours == stock and sorted(ours) == sorted(versions)
    assert "/boot/vmlinuz-6.10.3 " in commands(entries(text)["plinth-gnulinux-simple"], "module2")[0]


def test_menu_with_a_newer_grub(system):
    """GRUB 2.12's library has no version_find_latest, and a setting for recovery entries."""
    library = Path("/usr/share/grub/grub-mkconfig_lib").read_text(encoding="utf-8")
    newer, count = re.subn(r"^version_(find_latest|test_\w+) \(\)\n\{\n.*?^\}\n", "", library, flags=re.MULTILINE | re.DOTALL)
    assert count == 3
    (system / "newer").mkdir()
    (system / "newer/grub-mkconfig_lib").write_text(newer, encoding="utf-8")
    (system / "etc/grub.d/10_linux").unlink()  # this machine's, of 2.06
    add_kernel(system, "6.9")
    add_kernel(system, "6.10")
    add_kernel(system, "6.11 of mine")
    settings(system, 'export GRUB_CMDLINE_LINUX_RECOVERY="single nomodeset"')
    found = entries(menu(system, pkgdatadir="/newer")[0])
    assert list(found) == ["plinth-gnulinux-simple"] + [f"plinth-gnulinux-{version}-{kind}" for version in ("6.10", "6.9")
                                                        for kind in ("advanced", "recovery")]
    assert commands(found["plinth-gnulinux-6.10-recovery"], "module2") == [
        "module2 /boot/vmlinuz-6.10 root=/dev/sda1 ro single nomodeset always=1"]


def test_menu_follows_the_settings(system):
    """Settings of /etc/default/grub and plinth.cfg: recovery and submenus off, Plinth's options, another command line."""
    add_kernel(system, "6.1", "initrd.img-6.1")
    settings(system, "GRUB_DISABLE_RECOVERY=true", "GRUB_DISABLE_SUBMENU=y", 'GRUB_CMDLINE_PLINTH="log=debug"', "GRUB_SAVEDEFAULT=true",
             "GRUB_GFXPAYLOAD_LINUX=text", 'GRUB_DISTRIBUTOR="Dave\'s"')
    with open(system / "etc/default/grub.d/plinth.cfg", "a", encoding="utf-8") as cfg:
        cfg.write("GRUB_CMDLINE_PLINTH_DEFAULT='on_crash=halt'\nGRUB_CMDLINE_LINUX_PLINTH_REPLACE='mine=1 other=2'\n")
    text, _ = menu(system)
    found = entries(text)
    assert list(found) == ["plinth-gnulinux-6.1-advanced"]
    assert r"menuentry 'Dave'\''s GNU/Linux, with Plinth and Linux 6.1' --class dave_s --class" in text
    entry = found["plinth-gnulinux-6.1-advanced"]
    assert commands(entry, "multiboot2") == ["multiboot2 /boot/plinth.elf log=debug on_crash=halt"]
    assert commands(entry, "module2")[0] == "module2 /boot/vmlinuz-6.1 root=/dev/sda1 ro mine=1 other=2 quiet"
    assert "savedefault" in entry[1]
    assert [line for line in entry[1] if "gfxpayload" in line or "multiboot2 " in line] == [
        "set gfxpayload=text", 'set linux_gfxpayload="$gfxpayload"', "multiboot2 /boot/plinth.elf log=debug on_crash=halt",
        'set gfxpayload="$linux_gfxpayload"']
    assert "submenu" not in text


@pytest.mark.parametrize("damage, message", [
    ("no kernel", "no Linux kernel in /boot: no menu entries for Plinth"),
    ("no x86 kernel", "no Linux kernel in /boot: no menu entries for Plinth"),
    ("broken plinth", "/boot/plinth.elf is no multiboot2 file"),
    ("no plinth", None),
])
def test_menu_without_entries(system, damage, message):
    """What can't be started gets no entry, and the menu of all else is made all the same."""
    if damage in ("broken plinth", "no plinth"):
        add_kernel(system, "6.1")
    if damage == "no x86 kernel":
        (system / "boot/vmlinuz-6.1").write_text("something else")
        add_kernel(system, "6.2.dpkg-new")
    if damage == "broken plinth":
        (system / "boot/plinth.elf").write_bytes((system / "boot/plinth.elf").read_bytes()[:100])
    if damage == "no plinth":
        (system / "boot/plinth.elf").unlink()
    text, said = menu(system)
    assert "20_linux_plinth ###" in text and not entries(text)
    if message:
        assert message in said
    else:
        assert "plinth" not in said.lower(), "a removed package's script must be silent"


NODES = f"sda1 sdb1 disk/by-uuid/{disk.UUID} disk/by-partuuid/1234-01"
BOTH = {"NODES": NODES, "PROBE_partuuid": "1234-01"}


@pytest.mark.parametrize("environment, settings_lines, root", [
    ({"NODES": NODES}, [], f"UUID={disk.UUID}"),
    ({"NODES": NODES}, ["GRUB_DISABLE_LINUX_UUID=true"], "/dev/sda1"),
    ({"NODES": NODES, "PROBE_abstraction": "lvm"}, [], "/dev/sda1"),
    ({"NODES": NODES, "PROBE_abstraction": "luks cryptodisk", "PROBE_cryptodisk_uuid": "12ab"}, ["GRUB_ENABLE_CRYPTODISK=y"], f"UUID={disk.UUID}"),
    ({"NODES": NODES, "PROBE_device": "/dev/sda1\n/dev/sdb1", "PROBE_fs": "btrfs"}, [], f"UUID={disk.UUID}"),
    ({"NODES": NODES, "PROBE_fs": "zfs", "PROBE_fs_label": "pool"}, [], "ZFS=pool"),
    (BOTH, ["GRUB_DISABLE_LINUX_UUID=true"], "/dev/sda1"),
    (BOTH, ["GRUB_DISABLE_LINUX_UUID=true", "GRUB_DISABLE_LINUX_PARTUUID=false"], "PARTUUID=1234-01"),
    ({**BOTH, "PROBE_fs_uuid": ""}, [], "PARTUUID=1234-01"),
], ids=["uuid", "no-uuid-wanted", "lvm", "crypto", "btrfs-on-two", "zfs", "partuuid-unwanted", "partuuid-wanted", "partuuid-only"])
def test_menu_has_the_root_of_grubs_own(system, environment, settings_lines, root):
    """However the root file system is found: Linux gets the words, GRUB the commands, that the stock entry of the same kernel has."""
    add_kernel(system, "6.1", "initrd.img-6.1")
    settings(system, *settings_lines)
    text, _ = menu(system, **environment)
    stock = re.search(r"^menuentry 'Debian GNU/Linux' .*?^\}$", text, re.MULTILINE | re.DOTALL)[0]
    ours = re.search(r"^menuentry 'Debian GNU/Linux, with Plinth' .*?^\}$", text, re.MULTILINE | re.DOTALL)[0]
    words = re.search(r"^\tlinux\t(.*)$", stock, re.MULTILINE)[1].split()
    assert re.search(r"^\tmodule2 (.*)$", ours, re.MULTILINE)[1].split() == words
    assert f"root={root}" in words
    access = [re.findall(r"^\t\s*((?:insmod|cryptomount|set root=|search) .*|set root=.*)$", entry, re.MULTILINE) for entry in (stock, ours)]
    assert [line for line in access[0] if line.split()[1] not in ("gzio", "xzio", "lzopio")] == access[1]


def test_menu_has_early_initrds(system):
    """Microcode goes before the kernel's own initrd, each file as a module of its own; also if there is no other."""
    add_kernel(system, "6.1", "initrd.img-6.1")
    add_kernel(system, "5.10")
    (system / "boot/intel-ucode.img").write_text("microcode")
    (system / "boot/mine.img").write_text("more")
    settings(system, "GRUB_EARLY_INITRD_LINUX_CUSTOM='mine.img none.img'")
    text, said = menu(system)
    found = entries(text)
    early = ["module2 --nounzip /boot/intel-ucode.img", "module2 --nounzip /boot/mine.img"]
    assert commands(found["plinth-gnulinux-6.1-advanced"], "module2")[1:] == [*early, "module2 --nounzip /boot/initrd.img-6.1"]
    without = commands(found["plinth-gnulinux-5.10-advanced"], "module2")
    assert without[1:] == early
    assert " root=/dev/sda1 " in without[0], "UUID= needs an initrd that understands it"
    assert "Found initrd image: /boot/intel-ucode.img /boot/mine.img /boot/initrd.img-6.1 (Plinth)" in said


def test_menu_warns_of_secure_boot(system):
    """The entries are there for the day when it is off; nothing is said where it is."""
    add_kernel(system, "6.1")
    variable = system / "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    variable.parent.mkdir(parents=True)
    for on in (1, 0):
        variable.write_bytes(bytes([6, 0, 0, 0, on]))
        text, said = menu(system)
        assert entries(text)
        assert ("Secure Boot is on: GRUB won't start Plinth until it is off" in said) == bool(on)


# ---- The package ----


def test_package(directory):
    """`make deb`: the same files, both settings files as conffiles, the checksums right, and the same bytes when made twice."""
    make("deb")
    package = next(BUILD.glob("plinth_*_amd64.deb"))
    run("dpkg-deb", "-R", package, directory / "deb")
    tree = directory / "deb"
    control = tree / "DEBIAN"
    names = {name: mode for name, mode in files(tree).items() if not name.startswith(("DEBIAN/", "usr/share/doc/plinth/"))}
    assert names == INSTALLED
    assert (control / "conffiles").read_text().split() == ["/etc/default/grub.d/plinth.cfg", "/etc/grub.d/20_linux_plinth"]
    subprocess.run(["md5sum", "--quiet", "-c", control / "md5sums"], cwd=tree, check=True)
    for script in ("postinst", "postrm"):
        assert os.access(control / script, os.X_OK)
        subprocess.run(["sh", "-n", control / script], check=True)
    again = directory / "again.deb"
    version = re.search(r"^Version: (.*)$", (control / "control").read_text(), re.MULTILINE)[1]
    run("tools/install/make-deb", BUILD / "plinth.elf", version, again, cwd=ROOT)
    assert again.read_bytes() == package.read_bytes()
    if shutil.which("lintian"):
        complaints = run("lintian", "--allow-root", "--tag-display-limit", "0", package)
        assert not re.search(r"^[EW]:", complaints, re.MULTILINE), complaints


# ---- Starting from it ----


@pytest.fixture
def machine_disk(system, directory):
    """A disk with the system on it, whose menu starts the test guest on Plinth."""
    add_kernel(system, "9.1-guest")
    settings(system, "GRUB_CMDLINE_LINUX=test=boot,smp")
    with open(system / "etc/default/grub.d/plinth.cfg", "a", encoding="utf-8") as cfg:
        cfg.write('GRUB_DEFAULT="Debian GNU/Linux, with Plinth"\n')
    text, _ = menu(system)
    assert SIMPLE in text
    shutil.copytree(GRUB_MODULES, system / "boot/grub/i386-pc", ignore=shutil.ignore_patterns("*.img", "*.module"))
    return disk.make(system, directory / "disk.img", 64)


def test_start_from_disk(machine_disk, directory):
    """GRUB on the disk, the generated menu, the installed Plinth, the kernel it found: the guest runs."""
    config = Config(directory=directory, disk=machine_disk, memory=128, ignore_bad_msrs=False)
    with emulator.start("bochs", config) as machine:
        assert machine.wait(60, r"^Plinth \S+, loaded by GRUB"), f"GRUB did not start Plinth:\n{machine.text}"
        assert machine.wait(30, r"Guest: entered \d+ ticks"), machine.text
        assert machine.wait_end(60), machine.text
        assert "= smp: pass" in machine.text, machine.text
