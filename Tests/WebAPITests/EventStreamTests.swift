import ControlModel
import Coordinator
import Fleet
import Hummingbird
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import WebAPI

@Suite(.timeLimit(.minutes(10))) struct EventStreamTests {
    private let feed = EventFeed()
    private let fleet = FleetState(.init(pools: []), seed: 1)

    /// Runs a stream until it has written so many parts.
    private func text(parts: Int, from begin: EventFeed.Position, _ filter: EventFilter) async throws -> String {
        let stream = OpenStream()
        let channel = NIOAsyncTestingChannel()
        let written = Mutex<[String]>([])
        try await EventStream(feed: feed, filter: filter).run(from: begin, on: stream, of: channel) { part in
            let count = written.withLock { written in
                written.append(String(buffer: part))
                return written.count
            }
            if count == parts { stream.end() }
        }
        return written.withLock { $0.joined() }
    }

    /// Changes of a fleet that has just begun.
    private func happen(_ observations: [Observation]) {
        var pool = Pool(name: "p")
        pool.tags = ["a"]
        var fleet = FleetState(.init(pools: [pool]), seed: 1)
        for observation in observations { feed.happened(fleet.take(observation, at: Timestamp(milliseconds: 1_764_000_000_000)), in: fleet) }
    }

    private func pending(_ id: JobID) -> Observation { .hook(.default, JobObservation(id: id, projectID: 1, status: .pending, tags: ["a"], runnerID: nil)) }

    @Test func eventsHaveIdKindAndData() async throws {
        let begin = feed.now
        happen([pending(1), .ordered(.pause(pool: "p", true))])
        let text = try await text(parts: 2, from: begin, EventFilter([:]))
        let blocks = text.split(separator: "\n\n").map { $0.split(separator: "\n").map(String.init) }
        #expect(blocks[0] == ["retry: 2000", "id: \(begin)"])
        #expect(blocks[1][1] == "event: job" && blocks[1][2].hasPrefix(#"data: {"at":"2"#))
        #expect(blocks[2][0] == "id: \(feed.now)" && blocks[2][1] == "event: pool" && blocks[2][2].contains(#""event":"poolPaused""#))
        #expect(blocks.count == 3)
    }

    @Test(arguments: [
        ("kind=pool", ["poolPaused"]), ("job=2", ["jobSeen"]), ("pool=p", ["poolPaused"]), ("kind=job,pool", ["jobSeen", "jobSeen", "poolPaused"]),
        ("kind=job&job=1", ["jobSeen"]),
    ])
    func aReaderGetsWhatItAskedFor(query: String, expected: [String]) async throws {
        let begin = feed.now
        happen([pending(1), pending(2), .ordered(.pause(pool: "p", true))])
        var parameters: Parameters = [:]
        for pair in query.split(separator: "&").map({ $0.split(separator: "=") }) { parameters[pair[0]] = pair[1] }
        let text = try await text(parts: 2, from: begin, EventFilter(parameters))
        let names = text.matches(of: /"event":"([a-zA-Z]+)"/).map { String($0.output.1) }
        #expect(names == expected)
    }

    @Test(arguments: ["kind=", "kind=jobs", "kind=,job,nothing", "job=one", "job="])
    func whatCanNotBeAskedForIsRefused(query: String) {
        let pair = query.split(separator: "=", omittingEmptySubsequences: false)
        #expect(throws: ProblemError.self) { try EventFilter([pair[0]: pair[1]]) }
    }

    @Test func whoMissedSomethingIsToldToReadAgain() async throws {
        happen([pending(1)])
        let text = try await text(parts: 2, from: EventFeed.unknown, EventFilter([:]))
        #expect(text.hasSuffix("id: \(feed.now)\nevent: reset\ndata: {}\n\n"))
    }

    /// Nobody waits for a reader that takes nothing: its connection is closed.
    @Test func aReaderThatDoesNotReadIsCutOff() async throws {
        let channel = NIOAsyncTestingChannel()
        let (writes, wrote) = AsyncStream.makeStream(of: Void.self)
        let (closed, close) = AsyncStream.makeStream(of: Void.self)
        channel.closeFuture.whenComplete { _ in close.finish() }
        let stream = OpenStream()
        let reader = Task {
            try await EventStream(feed: feed, filter: EventFilter([:])).run(from: feed.now, on: stream, of: channel) { _ in
                wrote.finish()
                // As long as the connection is there, it takes nothing.
                for await _ in closed {}
                throw ChannelError.ioOnClosedChannel
            }
        }
        for await _ in writes {}
        await channel.testingEventLoop.advanceTime(by: EventStream.patience)
        await #expect(throws: ChannelError.self) { try await reader.value }
    }
}
