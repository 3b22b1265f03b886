import Testing

@testable import HostProbe

@Suite struct PlainYAMLTests {
    /// Laid out as go-yaml writes it, which nvidia-ctk and amd-ctk use; made from the specification, not recorded.
    static let nvidia = """
        ---
        cdiVersion: 0.5.0
        containerEdits:
          deviceNodes:
          - path: /dev/nvidiactl
          - path: /dev/nvidia-uvm
          env:
          - NVIDIA_VISIBLE_DEVICES=void
          hooks:
          - args:
            - nvidia-cdi-hook
            - create-symlinks
            - --link
            - "libcuda.so.1::/usr/lib/x86_64-linux-gnu/libcuda.so"
            hookName: createContainer
            path: /usr/bin/nvidia-cdi-hook
          mounts:
          - containerPath: /usr/bin/nvidia-smi
            hostPath: /usr/bin/nvidia-smi
            options: [ro, nosuid, nodev, bind]
        devices:
        - containerEdits:
            deviceNodes:
            - path: /dev/nvidia0
            - path: /dev/dri/card1
          name: "0"
        - containerEdits:
            deviceNodes:
            - path: /dev/nvidia0
            - path: /dev/dri/card1
          name: GPU-5f1dbd4c-0a54-4c1c-9e5a-4d1d4a2b9f10
        - containerEdits:
            deviceNodes:
            - path: /dev/nvidia0
            - path: /dev/dri/card1
          name: all
        kind: nvidia.com/gpu

        """

    @Test func whatNvidiasProgramWrites() throws {
        let tree = try PlainYAML.read(Self.nvidia)
        #expect(tree["cdiVersion"] == .scalar("0.5.0"))
        #expect(tree["kind"]?.text == "nvidia.com/gpu")
        #expect(tree["devices"]?.elements.compactMap { $0["name"]?.text } == ["0", "GPU-5f1dbd4c-0a54-4c1c-9e5a-4d1d4a2b9f10", "all"])
        #expect(tree["containerEdits"]?["mounts"]?.elements.first?["options"]?.elements.count == 4)
        #expect(tree["containerEdits"]?["hooks"]?.elements.first?["args"]?.elements.last?.text == "libcuda.so.1::/usr/lib/x86_64-linux-gnu/libcuda.so")
    }

    @Test(
        arguments: [
            ("a: b # comment\n# another\n\nc: 'it''s'", .map(["a": .scalar("b"), "c": .scalar("it's")])),
            ("a:\nb:\n  - 1\n  -\n    x: y", .map(["a": .nothing, "b": .list([.scalar("1"), .map(["x": .scalar("y")])])])),
            ("- a: 1\n  b: 2\n- c", .list([.map(["a": .scalar("1"), "b": .scalar("2")]), .scalar("c")])),
            ("- - a\n  - b\n- []\n- {}\n- ~", .list([.list([.scalar("a"), .scalar("b")]), .list([]), .map([:]), .nothing])),
            ("\"k:x\": \"a\\\"b#c\"\r\nu: http://x#y\r\n", .map(["k:x": .scalar("a\"b#c"), "u": .scalar("http://x#y")])),
            ("", .nothing), ("---\na: 1\n...\nb: 2", .map(["a": .scalar("1")])), ("a: don't", .map(["a": .scalar("don't")])),
        ] as [(String, PlainTree)])
    func values(_ text: String, _ tree: PlainTree) throws { #expect(try PlainYAML.read(text) == tree) }

    @Test(arguments: [
        ("a: &x 1", "line 1 uses a part of YAML that AutoGit doesn't read"), ("a: 1\nb: |\n  x", "line 2 uses a part of YAML that AutoGit doesn't read"),
        ("a: *x", "line 1 uses a part of YAML that AutoGit doesn't read"), ("a: {b: c}", "line 1 uses a part of YAML that AutoGit doesn't read"),
        ("a: 1\n\tb: 2", "line 2 is indented with a tab"), ("a: 1\na: 2", "line 2 repeats the key a"), ("a: [1, 2", "line 1 has a list that doesn't end in it"),
        ("a: 1\n  b: 2", "line 2 is indented unlike the lines before it"), ("a: 1\nb", "line 2 has no key"),
        ("a: \"x", "line 1 has a quote that isn't closed in it"),
        ("a: 'x' y", "line 1 goes on after a quoted text"), ("a: 1\n---\nb: 2", "line 2 has no key"),
        (String(repeating: "- ", count: 100) + "x", "line 1 is nested too deep"),
    ])
    func whatIsNotReadIsRefusedByItsLine(_ text: String, _ reason: String) {
        #expect(throws: Malformed(reason: reason)) { try PlainYAML.read(text) }
    }
}
