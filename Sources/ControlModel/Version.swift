/// The version of the daemon and its client, the same as in packaging/debian/changelog, which `make check` verifies.
public let autogitVersion = "0.11.0"
