import Fleet
import Testing

@testable import ContainerDriver

@Suite struct FormatsTests {
    @Test func aDieEventNamesRunnerAndCode() {
        let line = #"{"status":"die","Action":"die","Actor":{"ID":"x","Attributes":{"autogit.runner":"abc","containerExitCode":"137"}}}"#
        #expect(ContainerEvent(Array(line.utf8))?.value == .exited(runner: "abc", exitCode: 137))
        #expect(ContainerEvent(Array(#"{"Action":"start"}"#.utf8)) == nil)
        #expect(ContainerEvent(Array("garbage".utf8)) == nil)
    }

    @Test func linesComeWholeHoweverTheyAreCut() {
        var buffer = LineBuffer()
        let taken = ["on", "e\ntwo\nthr", "ee\n"].map { chunk in
            buffer.take(Array(chunk.utf8)).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(taken == [[], ["one", "two"], ["three"]])
    }

    @Test func logFramesAreTakenOff() {
        let framed: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 3] + Array("ab\n".utf8) + [2, 0, 0, 0, 0, 0, 0, 2] + Array("cd".utf8)
        var frames = LogFrames()
        #expect(frames.take(framed) == Array("ab\ncd".utf8))
        var plain = LogFrames()
        #expect(plain.take(Array("plain text here\nmore\n".utf8)) == Array("plain text here\nmore\n".utf8))
    }

    @Test func theTokenIsInTheFilesOnly() throws {
        var pool = Pool(name: "p")
        pool.command = ["runner", "--flag"]
        let spec = RunnerSpec(runner: "abc", instance: "i", pool: pool)
        #expect(!"\(ContainerSpec(spec, socket: nil))".contains("glrt"))
        let archive = RunnerArchive(spec, RunnerCredentials(.init(url: "http://h"), token: Secret("glrt-\"x"))).bytes
        let text = String(decoding: archive, as: UTF8.self)
        #expect(text.contains(#"token = "glrt-\"x""#) && archive.count % 512 == 0)
    }
}
