# SPDX-License-Identifier: GPL-2.0-only
"""Where software comes from: the host's packages, and a private view of Debian's archive.

The host's packages are installed with its ordinary apt-get. Everything else (QEMU's source, kernels, their sources)
comes through an apt configuration of the lab's own, in the cache: the system's is read, never changed. The versions
chosen once are kept in versions.json, so that a later setup needs no network; `lab setup --upgrade` chooses again.
"""

import json
import os
import re
import subprocess
import time
from pathlib import Path

from .base import CACHE, LAB_DIR, LabError, lock, output_of, run_logged, say, step, write_atomically

HOST_PACKAGES = LAB_DIR / "host-packages"
VERSIONS = CACHE / "versions.json"
DOWNLOADS = CACHE / "downloads"
APT = CACHE / "apt"
LOG = CACHE / "logs" / "packages.log"
RELEASE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT_PATIENCE = "-oDPkg::Lock::Timeout=600"
LIST_LOCK_TRIES = 60


def install_host_packages():
    """Installs what HOST_PACKAGES names and the host lacks."""
    require_debian()
    missing = missing_host_packages()
    if not missing:
        say("host packages: all there")
        return
    with step(f"installing {len(missing)} host packages: {' '.join(missing)}"):
        system_apt_update()
        run_logged(as_root("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", APT_PATIENCE,
                           "--no-install-recommends", *missing), LOG, "apt-get install")
    still = missing_host_packages()
    if still:
        raise LabError(f"apt-get ended well, yet these packages are not installed: {' '.join(still)}; see {LOG}")


def require_debian():
    release = Path("/etc/os-release").read_text(encoding="utf-8")
    if f"VERSION_CODENAME={RELEASE}" not in release:
        raise LabError(f"the lab is made for Debian 12 ({RELEASE}), and this is another system; "
                       "run it in a Debian 12 machine, container or chroot")


def missing_host_packages():
    wanted = [line for line in HOST_PACKAGES.read_text(encoding="utf-8").split("\n") if line and line[0] != "#"]
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Status}\n", *wanted],
                          capture_output=True, text=True, check=False)
    there = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" ok installed")}
    return [name for name in wanted if name not in there]


def as_root(*command):
    return list(command) if os.geteuid() == 0 else ["sudo", "-n", *command] if sudo_works() else no_root(command)


def sudo_works():
    try:
        return subprocess.run(["sudo", "-v"], check=False).returncode == 0
    except FileNotFoundError:
        return False


def no_root(command):
    raise LabError(f"root is needed once, and sudo does not work here; run as root: {' '.join(command)}")


def system_apt_update():
    """apt-get update knows no lock timeout of its own, so another apt at work is waited for here."""
    command = as_root("apt-get", "update", "-q")
    for _ in range(LIST_LOCK_TRIES):
        try:
            run_logged(command, LOG, "apt-get update")
            return
        except LabError as error:
            if "Could not get lock" not in error.excerpt:
                raise
        say("apt-get update: another apt is at work; trying again in 5 s")
        time.sleep(5)
    raise LabError("another apt has held /var/lib/apt/lists for 5 minutes; run `tools/lab/lab setup` when it is done")


class Archive:
    """Debian's archive as the lab sees it: its own suites, lists and preferences, the system's mirror and keyring."""

    SUITES = [RELEASE, f"{RELEASE}-backports", "trixie", "trixie-backports"]

    def __init__(self, upgrade=False):
        self._versions = {} if upgrade else read_versions()
        self._updated = False

    def deb(self, key, package, version=""):
        """The path of the newest PACKAGE that really downloads; VERSION is a pattern that its version must match.

        The index may name versions that are no longer in the pool, hence the trying.
        """
        return self._fetch(key, lambda: self._candidates(package, version, source=False), self._download_deb)

    def source(self, key, package, version=""):
        """The same for a source package: the path of its .dsc."""
        return self._fetch(key, lambda: self._candidates(package, version, source=True), self._download_source)

    def newest_names(self, pattern):
        """Package names that match PATTERN, newest version number in the name first."""
        self._update()
        names = self._apt("apt-cache", "search", "--names-only", pattern).splitlines()
        return sorted((line.split()[0] for line in names), key=version_key, reverse=True)

    def known(self, key):
        """What was chosen before for KEY, if its file is still in the cache, else None."""
        choice = self._versions.get(key)
        return DOWNLOADS / choice if choice and (DOWNLOADS / choice).exists() else None

    def _fetch(self, key, candidates, download):
        path = self.known(key)
        if path:
            return path
        refused = []
        for package, version in candidates():
            path = download(package, version)
            if path:
                self._remember(key, path)
                return path
            refused.append(f"{package} {version}")
        raise LabError(f"nothing to download for {key}" +
                       (f": {', '.join(refused)} are listed but not in the archive's pool" if refused else
                        "; is the archive's mirror complete?"))

    def _remember(self, key, path):
        self._versions[key] = path.name
        write_atomically(VERSIONS, json.dumps({**read_versions(), key: path.name}, indent=1, sort_keys=True) + "\n")

    def _candidates(self, package, version, source):
        self._update()
        kind = "Sources" if source else "Packages"
        rows = [[cell.strip() for cell in line.split("|")]
                for line in self._apt("apt-cache", "madison", package).splitlines()]
        found = {row[1] for row in rows if len(row) == 3 and row[0] == package and row[2].endswith(kind)
                 and re.search(version, row[1])}
        return [(package, v) for v in sorted(found, key=version_key, reverse=True)]

    def _download_deb(self, package, version):
        return self._download(["apt-get", "download", f"{package}={version}"], f"{package} {version}",
                              f"{package}_*.deb")

    def _download_source(self, package, version):
        return self._download(["apt-get", "source", "--download-only", "--only-source", f"{package}={version}"],
                              f"the source of {package} {version}", f"{package}_*.dsc")

    def _download(self, command, what, pattern):
        """Downloads into a folder of its own, so that what came is known and a broken download leaves nothing."""
        incoming = DOWNLOADS / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        for leftover in incoming.iterdir():
            leftover.unlink()
        try:
            with step(f"downloading {what}"):
                run_logged(command, LOG, f"downloading {what}", cwd=incoming, env=self._environment())
        except LabError as error:
            if "404" not in error.excerpt:
                raise
            say(f"{what} is listed, but no longer in the pool; trying the one before")
            return None
        chosen = next(incoming.glob(pattern)).name
        for path in incoming.iterdir():
            path.rename(DOWNLOADS / path.name)
        return DOWNLOADS / chosen

    def _apt(self, *command):
        return output_of(command, env={**os.environ, **self._environment(), "LC_ALL": "C"})

    def _environment(self):
        return {"APT_CONFIG": str(APT / "apt.conf")}

    def _update(self):
        if self._updated:
            return
        self._write_configuration()
        with step("reading the archive's indexes"):
            run_logged(["apt-get", "update", "-q"], LOG, "apt-get update (the lab's own lists)",
                       env=self._environment())
        self._updated = True

    def _write_configuration(self):
        for folder in ("lists/partial", "cache/archives/partial", "sources", "preferences"):
            (APT / folder).mkdir(parents=True, exist_ok=True)
        (APT / "apt.conf").write_text(f'''Dir::State::Lists "{APT}/lists";
Dir::Cache "{APT}/cache";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "{APT}/sources";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "{APT}/preferences";
APT::Sandbox::User "{"root" if os.geteuid() == 0 else ""}";
''', encoding="utf-8")
        main, security = mirrors()
        (APT / "sources" / "debian.sources").write_text(
            stanza(main, self.SUITES) + "\n" + stanza(security, [f"{RELEASE}-security"]), encoding="utf-8")


def stanza(uri, suites):
    return (f"Types: deb deb-src\nURIs: {uri}\nSuites: {' '.join(suites)}\nComponents: main\n"
            f"Architectures: amd64\nSigned-By: {KEYRING}\n")


def mirrors(release=RELEASE):
    """The URIs of Debian's archive and of its security archive, as the system's own apt, of RELEASE, uses them."""
    for attempt in ("as it is", "after an update"):
        if attempt != "as it is":
            system_apt_update()
        rows = output_of(["apt-get", "indextargets", "--format", "$(CODENAME)|$(REPO_URI)"]).splitlines()
        uris = dict(row.split("|", 1) for row in rows if "|" in row)
        if release in uris:
            main = uris[release]
            break
    else:
        raise LabError(f"the system's apt knows no {release} repository; add Debian's to /etc/apt/sources.list")
    security = uris.get(f"{release}-security") or re.sub(r"/debian/?$", "/debian-security/", main)
    if security == main:
        raise LabError(f"no {release}-security repository in the system's apt sources; add Debian's security archive")
    return main, security


def read_versions():
    try:
        return json.loads(VERSIONS.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def version_key(text):
    """Orders as `sort -V` does where it matters here: numbers by value, `~` before everything."""
    return [(0, 0, "") if part == "~" else (2, int(part), "") if part.isdigit() else (1, 0, part)
            for part in re.findall(r"\d+|~|[^\d~]+", text)] + [(1, 0, "")]


def unpacked(deb, target):
    """The files of a .deb, in the folder TARGET; nothing is installed."""
    target.mkdir(parents=True, exist_ok=True)
    run_logged(["dpkg", "-x", deb, target], LOG, f"unpacking {deb.name}")


def upgrade_lock():
    return lock("packages")
