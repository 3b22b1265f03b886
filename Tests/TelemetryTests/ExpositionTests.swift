import CoreMetrics
import Testing

@testable import Telemetry

@Suite struct ExpositionTests {
    private let odd = MetricFamily(
        "jobs_finished", .counter, "Jobs that ended.\nBy \"result\" \\ pool.",
        [.init(2, [.init("pool", "a\"b\\c\nd"), .init("result", "success")]), .init(0.5)])

    private func histogram() -> MetricFamily {
        var distribution = Distribution(bounds: [0.1, 1, 10])
        for value in [0.05, 0.1, 0.5, 20] { distribution.observe(value) }
        return MetricFamily("wait_seconds", .histogram, "Waits.", [.init(.distribution(distribution), [.init("pool", "p")])])
    }

    @Test func prometheusNamesSamplesAndEscapes() {
        #expect(
            Exposition.prometheus.text([odd]) == #"""
                # HELP jobs_finished_total Jobs that ended.\nBy "result" \\ pool.
                # TYPE jobs_finished_total counter
                jobs_finished_total{pool="a\"b\\c\nd",result="success"} 2.0
                jobs_finished_total 0.5

                """#)
    }

    @Test func openMetricsNamesFamiliesAndEnds() {
        #expect(
            Exposition.openMetrics.text([odd, MetricFamily("build", .info, "B.", [.init(1, [.init("version", "1")])])]) == #"""
                # HELP jobs_finished Jobs that ended.\nBy \"result\" \\ pool.
                # TYPE jobs_finished counter
                jobs_finished_total{pool="a\"b\\c\nd",result="success"} 2.0
                jobs_finished_total 0.5
                # HELP build B.
                # TYPE build info
                build_info{version="1"} 1.0
                # EOF

                """#)
        #expect(Exposition.prometheus.text([MetricFamily("build", .info, "B.", [.init(1)])]).contains("# TYPE build_info gauge\nbuild_info 1.0"))
    }

    @Test func bucketsAreCumulativeAndInclusive() {
        #expect(
            Exposition.prometheus.text([histogram()]) == """
                # HELP wait_seconds Waits.
                # TYPE wait_seconds histogram
                wait_seconds_bucket{pool="p",le="0.1"} 2.0
                wait_seconds_bucket{pool="p",le="1.0"} 3.0
                wait_seconds_bucket{pool="p",le="10.0"} 3.0
                wait_seconds_bucket{pool="p",le="+Inf"} 4.0
                wait_seconds_sum{pool="p"} 20.65
                wait_seconds_count{pool="p"} 4.0

                """)
    }

    @Test func whatIsNoNumberIsNotObserved() {
        var distribution = Distribution(bounds: [1])
        distribution.observe(.nan)
        distribution.observe(.infinity)
        #expect(distribution.count == 0 && distribution.sum == 0)
    }

    @Test(arguments: [
        (nil, Exposition.prometheus), ("*/*", .prometheus), ("text/plain", .prometheus), ("application/openmetrics-text", .openMetrics),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1", .openMetrics),
        ("application/openmetrics-text; q=0.2, text/plain", .prometheus), ("application/openmetrics-text;q=0", .prometheus), (",;,q=", .prometheus),
        ("APPLICATION/OpenMetrics-Text ; Q=x", .openMetrics),
    ])
    func theFormatIsTheOneAskedFor(accept: String?, expected: Exposition) { #expect(Exposition(accept: accept) == expected) }

    @Test func theRegistryKeepsWhatWasDeclaredAndNothingElse() {
        let registry = MetricsRegistry([.counter("a", "A."), .histogram("b_seconds", "B.", [1]), .counter("c", "C.")])
        Counter(label: "a", dimensions: [("x", "2")], factory: registry).increment(by: 3)
        Counter(label: "a", dimensions: [("x", "2")], factory: registry).increment()
        Counter(label: "a", dimensions: [("x", "1")], factory: registry).increment()
        Counter(label: "unheard_of", dimensions: [("path", "/anything")], factory: registry).increment()
        Recorder(label: "a", dimensions: [], aggregate: true, factory: registry).record(5)
        Timer(label: "b_seconds", dimensions: [], preferredDisplayUnit: .seconds, factory: registry).recordSeconds(2)
        Recorder(label: "b_seconds", dimensions: [], aggregate: true, factory: registry).record(0.5)
        let families = registry.families()
        #expect(families.map(\.name) == ["a", "b_seconds", "c"])
        #expect(families[0].series == [.init(1, [.init("x", "1")]), .init(4, [.init("x", "2")])])
        #expect(Exposition.prometheus.text([families[1]]).hasSuffix("b_seconds_sum 2.5\nb_seconds_count 2.0\n"))
        #expect(families[2].series.isEmpty)
    }

    @Test func aProcesssFiguresAreReadByTheirPlaces() throws {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 9 0 1000 4096000 300 0\n"
        let families = ProcessFamilies.families(stat: stat, bootTime: 1_000_000, descriptors: 12, mostDescriptors: 1024, ticks: 100, pageSize: 4096)
        let values = Dictionary(families.map { ($0.name, $0.series[0].value) }, uniquingKeysWith: { first, _ in first })
        #expect(values["process_cpu_seconds"] == .number(4))
        #expect(values["process_threads"] == .number(9))
        #expect(values["process_start_time_seconds"] == .number(1_000_010))
        #expect(values["process_virtual_memory_bytes"] == .number(4_096_000))
        #expect(values["process_resident_memory_bytes"] == .number(300 * 4096))
        #expect(values["process_open_fds"] == .number(12))
        // What can't be read is left out.
        #expect(ProcessFamilies.families(stat: nil, bootTime: nil, descriptors: nil, mostDescriptors: nil, ticks: 100, pageSize: 1).isEmpty)
        #expect(ProcessFamilies.read().count == 7)
    }
}
