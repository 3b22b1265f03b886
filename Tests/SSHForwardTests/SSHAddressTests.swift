import Testing

@testable import SSHForward

@Suite struct SSHAddressTests {
    @Test(
        arguments: [
            ("ssh://build", nil, "build", nil, nil),
            ("ssh://ci@build.example:2222/run/user/1000/podman/podman.sock", "ci", "build.example", 2222, "/run/user/1000/podman/podman.sock"),
            ("ssh://[::1]:22", nil, "::1", 22, nil), ("ssh://a@[fe80::1]/s", "a", "fe80::1", nil, "/s"), ("ssh://h:65535", nil, "h", 65535, nil),
            ("ssh://h_1.x-y", nil, "h_1.x-y", nil, nil),
        ] as [(String, String?, String, Int?, String?)])
    func partsAndBack(_ url: String, _ user: String?, _ host: String, _ port: Int?, _ path: String?) throws {
        let address = try SSHAddress(url)
        #expect(address.user == user && address.host == host && address.port == port && address.path == path)
        #expect(address.description == url)
    }

    @Test func aSlashAloneIsNoPath() throws { #expect(try SSHAddress("ssh://h/").description == "ssh://h") }

    @Test(arguments: [
        ("", "doesn't begin with ssh://"), ("build", "doesn't begin with ssh://"), ("http://h", "doesn't begin with ssh://"), ("ssh://", "has no host"),
        ("ssh://:22", "has no host"), ("ssh://a@", "has no host"), ("ssh://@h", "empty user"), ("ssh://-oProxyCommand=x", "host that begins with -"),
        ("ssh://-a@h", "user that begins with -"), ("ssh://h:0", "port"), ("ssh://h:65536", "port"), ("ssh://h:", "port"), ("ssh://h:+22", "port"),
        ("ssh://h:2 2", "blank"),
        ("ssh://h:99999999999999999999", "port"), ("ssh://h/a b", "blank"), ("ssh://h\n", "control"), ("ssh://h\u{7F}", "control"), ("ssh://h\u{A0}", "blank"),
        ("ssh://h/s?x=1", "query"), ("ssh://h/s#x", "query"), ("ssh://h/%2e", "percent"), ("ssh://::1", "host with characters"), ("ssh://[::1", "IPv6"),
        ("ssh://[x]", "IPv6"),
        ("ssh://[::1]22", "IPv6"), ("ssh://[-oX]", "IPv6"), ("ssh://a;b", "host with characters"), ("ssh://$(x)", "host with characters"),
        ("ssh://ä", "host with characters"),
        ("ssh://a$b@h", "user with characters"), ("ssh://a@b@h", "user with characters"), ("ssh://h/a:b", "path that has a colon"),
        ("ssh://h/a\\b", "path that has"),
        ("ssh://h/${HOME}", "path that has"), ("ssh://h/a/", "path that ends with /"),
        ("ssh://h/" + String(repeating: "x", count: 107), "path that has more than 107 bytes"),
    ])
    func whatIsWrongIsTold(_ url: String, _ fault: String) {
        let error = #expect(throws: SSHError.self) { try SSHAddress(url) }
        #expect(error?.message.contains(fault) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("Expected is ssh://[user@]host[:port][/path/of/socket]") == true)
    }

    @Test func aPasswordIsRefusedAndNotRepeated() {
        let error = #expect(throws: SSHError.self) { try SSHAddress("ssh://a:hunter2@h") }
        #expect(error?.message.contains("password") == true && error?.message.contains("hunter2") == false)
    }
}
