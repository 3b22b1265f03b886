import Fleet
import Testing

@testable import ContainerDriver

@Suite struct EventConnectionTests {
    private let quick = Duration.milliseconds(250)

    @Test func aGoodStreamThatEndsIsOpenedSoonAndToldBothTimes() {
        var connection = EventConnection()
        #expect(connection.opened() == .resync)
        #expect(connection.proved() == nil)
        #expect(connection.ended("a") == (.disconnected("a"), quick))
        #expect(connection.opened() == .resync)
        #expect(connection.proved() == nil)
        #expect(connection.ended("b") == (.disconnected("b"), quick))
    }

    /// After a restart of the engine everything is looked at as soon as it answers.
    @Test func anEngineThatComesBackIsToldAtOnce() {
        var connection = EventConnection()
        #expect(connection.failed("a") == (.disconnected("a"), quick))
        #expect(connection.failed("b") == (nil, quick * 2))
        #expect(connection.opened() == .resync)
    }

    @Test func aStreamThatEndsAtOnceCountsOnlyWhenItHasProvedItself() {
        var connection = EventConnection()
        #expect(connection.opened() == .resync)
        #expect(connection.ended("a") == (.disconnected("a"), quick))
        #expect(connection.opened() == nil)
        #expect(connection.ended("b") == (nil, quick * 2))
        #expect(connection.failed("c") == (nil, quick * 4))
        #expect(connection.opened() == nil)
        #expect(connection.proved() == .resync)
        #expect(connection.proved() == nil)
        #expect(connection.ended("d") == (.disconnected("d"), quick))
    }
}

private func == (a: (event: DriverEvent?, pause: Duration), b: (DriverEvent?, Duration)) -> Bool { a.event == b.0 && a.pause == b.1 }
