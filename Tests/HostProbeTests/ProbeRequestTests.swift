import FoundationEssentials
import Glibc
import TestBench
import Testing

@testable import HostProbe

@Suite struct ProbeRequestTests {
    private func changed(_ path: String) -> timespec? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mtim : nil
    }

    @Test func itMakesAndTouchesTheFile() throws {
        let scratch = try ScratchFolder("request")
        let path = "\(scratch.path)/probe"
        try ProbeRequest.send(path)
        var old = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
        #expect(utimensat(AT_FDCWD, path, &old, 0) == 0)
        #expect(changed(path)?.tv_sec == 1)
        try ProbeRequest.send(path)
        #expect((changed(path)?.tv_sec ?? 0) > 1)
    }

    @Test func withoutTheFolderItSaysSo() {
        #expect(throws: ProbeFileError(message: "/nonexistent/probe can't be written: No such file or directory")) {
            try ProbeRequest.send("/nonexistent/probe")
        }
    }

    @Test func aFIFOInItsPlaceIsNotWaitedFor() throws {
        let scratch = try ScratchFolder("request")
        #expect(mkfifo("\(scratch.path)/probe", 0o600) == 0)
        #expect(throws: ProbeFileError.self) { try ProbeRequest.send("\(scratch.path)/probe") }
    }

    @Test func theSenderIsTheFoldersOwner() throws {
        let scratch = try ScratchFolder("request")
        #expect(ProbeRequest.sender(folder: scratch.path) == getuid())
        #expect(ProbeRequest.sender(folder: "/nonexistent") == nil)
        #expect(symlink(scratch.path, "\(scratch.path)/link") == 0)
        #expect(ProbeRequest.sender(folder: "\(scratch.path)/link") == nil)
    }
}
