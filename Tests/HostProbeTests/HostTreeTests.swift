import FoundationEssentials
import Glibc
import Testing

@testable import HostProbe

@Suite struct HostTreeTests {
    @Test func filesAreReadUpToALimit() throws {
        let made = try TestTree(["/a": "12345", "/empty": ""])
        let tree = HostTree(root: made.root)
        #expect(tree.read("/a", limit: 5) == .bytes(Array("12345".utf8)))
        #expect(tree.read("/a", limit: 4) == .failed("has more than 4 bytes"))
        #expect(tree.read("/empty", limit: 0) == .bytes([]))
        #expect(tree.read("/none", limit: 5) == .missing)
        #expect(tree.read("/a/b", limit: 5) == .missing)
    }

    @Test func whatIsNoFileIsNotWaitedFor() throws {
        let made = try TestTree(["/a/b": ""])
        #expect(mkfifo("\(made.root)/fifo", 0o600) == 0)
        #expect(symlink("loop", "\(made.root)/loop") == 0)
        let tree = HostTree(root: made.root)
        #expect(tree.read("/fifo", limit: 5) == .failed("isn't a file"))
        #expect(tree.read("/a", limit: 5) == .failed("isn't a file"))
        #expect(tree.read("/loop", limit: 5) == .failed("can't be read: Too many levels of symbolic links"))
        #expect(HostTree(root: "").read("/dev/zero", limit: 5) == .failed("isn't a file"))
    }

    @Test func foldersAreListedInOrder() throws {
        let made = try TestTree(["/d/b": "", "/d/a": "", "/d/c/x": ""])
        var remarks: [String] = []
        #expect(HostTree(root: made.root).names("/d", remarks: &remarks) == ["a", "b", "c"])
        #expect(HostTree(root: made.root).names("/none", remarks: &remarks) == [])
        #expect(HostTree(root: made.root).names("/d/a", remarks: &remarks) == [])
        #expect(remarks == [])
    }

    @Test func devicesHaveAGroupAndOtherThingsHaveNone() throws {
        #expect(HostTree(root: "").group(ofNode: "/dev/null") == 0)
        #expect(HostTree(root: "").group(ofNode: "/etc/passwd") == nil)
        let made = try TestTree(["/dev/nvidia0": ""])
        #expect(HostTree(root: made.root).group(ofNode: "/dev/nvidia0") == getgid())
        #expect(HostTree(root: made.root).group(ofNode: "/dev") == nil)
    }
}
