/// Of the daemon and its client; the same as in packaging/debian/changelog, which `make check` sees to.
public let autogitVersion = "0.2.0"
