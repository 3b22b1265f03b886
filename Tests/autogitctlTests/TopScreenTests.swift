import ControlModel
import Foundation
import Testing

@testable import autogitctl

@Suite struct TopScreenTests {
    private static let sizes = [(40, 10), (80, 24), (200, 60), (41, 11), (59, 15), (60, 16), (139, 40)]
    private func text(_ model: TopModel) -> [String] { TopScreen.lines(model).map { $0.text.replacing(#/ +$/#, with: "") } }

    /// Whatever happens to be shown.
    private func models(_ columns: Int, _ rows: Int) -> [TopModel] {
        var models: [TopModel] = []
        for views in [TopFixtures.small, TopFixtures.large, TopViews(status: TopFixtures.status(), jobs: [], pools: [], runners: [])] {
            var model = TopFixtures.model(views, columns: columns, rows: rows)
            models.append(model)
            _ = model.type("?")
            models.append(model)
            _ = model.take(.unanswered(TopFixtures.hostile), at: TopFixtures.now)
            _ = model.take(.result(TopFixtures.hostile, isFailure: true), at: TopFixtures.now)
            _ = model.take(.events(isOpen: false), at: TopFixtures.now)
            models.append(model)
            _ = model.take(.key(.end), at: TopFixtures.now)
            models.append(model)
            _ = model.type("d")
            models.append(model)
            _ = model.type("n")
            _ = model.take(.log(runner: "id\(TopFixtures.hostile)1", text: String(repeating: TopFixtures.hostile, count: 300)), at: TopFixtures.now)
            models.append(model)
        }
        return models
    }

    @Test(arguments: sizes + [(1, 1), (2, 3), (10, 2), (0, 0)]) func everythingFits(columns: Int, rows: Int) {
        for model in models(columns, rows) {
            let lines = TopScreen.lines(model)
            #expect(lines.count <= rows)
            for line in lines {
                #expect(displayedColumns(line.text) <= columns, "\(line.text)")
                #expect(line.text == printable(line.text), "\(line.text.debugDescription)")
            }
        }
    }

    @Test(arguments: sizes) func whatWaitsComesFirstAndNothingIsLeftOutInSilence(columns: Int, rows: Int) throws {
        for views in [TopFixtures.small, TopFixtures.large] {
            let lines = text(TopFixtures.model(views, columns: columns, rows: rows))
            let waiting = try #require(lines.firstIndex { $0.hasPrefix("WAITING") })
            let pools = try #require(lines.firstIndex { $0.hasPrefix("POOLS") })
            let runners = try #require(lines.firstIndex { $0.hasPrefix("RUNNERS") })
            #expect(waiting < pools && pools < runners && waiting > 0)
            let headings = [
                waiting: views.jobs.filter { $0.status == "pending" }.count + views.status.waiting.count, pools: views.pools.count,
                runners: views.runners.count,
            ]
            for (place, count) in headings {
                let shown = lines[(place + 1)...].prefix { $0.hasPrefix("  ") || $0.hasPrefix("> ") }.count
                #expect(lines[place].contains(shown == count ? "\(count)" : "… \(count - shown) more"), "\(lines[place])")
            }
        }
    }

    @Test func theSmallestTerminal() {
        #expect(
            text(TopFixtures.model(columns: 40, rows: 10)) == [
                "2 wait 2 run 1 idle  healthy",
                "WAITING 2",
                "  9   11m   no pool has all of the tags…",
                "  10  5.0s  a runner is on its way",
                "POOLS 2",
                "> linux  ██▒░░░░░  3/8",
                "  gpu    ░░        0/2  3 failed starts…",
                "RUNNERS 3  … 2 more",
                "  aaaa1111  busy  8 30s",
                "? help  q quit",
            ])
    }

    @Test func aUsualTerminal() {
        let lines = text(TopFixtures.model())
        #expect(
            lines.prefix(13) == [
                "AutoGit 0.7.0  2 waiting  2 running  1 idle  GitLab ok  engine ok",
                "WAITING 2",
                "  9   11m   build  no pool has all of the tags gpu",
                "  10  5.0s  build  a runner is on its way",
                "",
                "POOLS 2",
                "> linux  ██▒░░░░░  3/8  2 busy, 1 idle",
                "  gpu    ░░        0/2                  3 failed starts: no such image",
                "",
                "RUNNERS 3",
                "  aaaa1111  busy  linux  30s in job 8 build  up 15m",
                "  bbbb2222  idle  linux  leaves in 43s       up 15m",
                "  cccc3333  idle  gone                       up 15m",
            ])
        #expect(lines.count == 24)
        #expect(lines.last == "j/k select  p pause  d drain  l log  ? help  q quit")
    }

    @Test func aWideTerminalTellsMore() {
        let lines = text(TopFixtures.model(columns: 200, rows: 60))
        #expect(lines.contains("  9   11m   build  group/app  x  no pool has all of the tags gpu"))
        #expect(lines.contains("  aaaa1111  busy  linux  30s in job 8 group/app build  up 15m"))
    }

    @Test func troubleIsSaid() {
        var model = TopFixtures.model()
        _ = model.take(.unanswered("the daemon does not answer"), at: TopFixtures.now.addingTimeInterval(12))
        #expect(text(model)[1] == "as of 12s ago: the daemon does not answer")
        var views = TopFixtures.small
        views.status = TopFixtures.status(gitlab: "401", warnings: ["the token expires"])
        #expect(text(TopFixtures.model(views)).prefix(3).dropFirst() == ["GitLab: 401", "warning: the token expires"])
        #expect(text(TopFixtures.model(views, columns: 40, rows: 10)).prefix(2) == ["2 wait 2 run 1 idle  degraded", "GitLab: 401"])
        model = TopFixtures.model()
        _ = model.take(.events(isOpen: false), at: TopFixtures.now)
        #expect(text(model)[1] == "no live events from the daemon; read every 10s")
    }

    @Test func theSelectedRowStaysInSight() {
        for rows in [10, 16, 24] {
            var model = TopFixtures.model(TopFixtures.large, columns: 80, rows: rows)
            for _ in 0...model.rows.count / 10 {
                #expect(TopScreen.lines(model).filter(\.isSelected).count == 1)
                _ = model.take(.key(.pageDown), at: TopFixtures.now)
            }
        }
    }

    @Test func aPrintedFrameHasNoKeysAndNoSelection() {
        let frame = Top.frame(TopFixtures.large, at: TopFixtures.now)
        #expect(!frame.contains("\u{1B}") && !frame.contains("quit") && !frame.contains("\n> ") && !frame.contains(" more\n"))
        #expect(frame.split(separator: "\n").count > 550)
    }

    @Test(arguments: [
        (8, ["busy": 2, "idle": 1], "██▒░░░░░"), (2, [:], "░░"), (0, ["busy": 1], ""), (1, ["busy": 5], "█"), (100, ["busy": 1, "idle": 1], "█░░░░░░░░░"),
        (100, ["idle": 100], "▒▒▒▒▒▒▒▒▒▒"), (100, ["busy": 100], "██████████"),
    ])
    func barsShowUsedAndFree(max: Int, runners: [String: Int], bar: String) {
        #expect(TopScreen.bar(TopFixtures.pool("p", max: max, runners: runners), longest: 10) == bar)
    }

    @Test(arguments: [
        (0, [10, 10, 10], [0, 0, 0]), (3, [10, 10, 10], [1, 1, 1]), (8, [10, 10, 10], [4, 2, 2]), (8, [1, 2, 10], [1, 2, 5]), (100, [1, 2, 3], [1, 2, 3]),
    ])
    func linesAreSharedFairly(room: Int, heights: [Int], shares: [Int]) { #expect(TopScreen.share(room, among: heights) == shares) }

    @Test func coloursAreOptional() {
        var line = TopLine("a", .failure)
        line.add("b")
        #expect(line.terminalText(isColoured: true) == "\u{1B}[31ma\u{1B}[mb")
        #expect(line.terminalText(isColoured: false) == "ab")
        line.isSelected = true
        #expect(line.terminalText(isColoured: false) == "\u{1B}[7ma\u{1B}[m\u{1B}[7mb\u{1B}[m")
        #expect(line.terminalText(isColoured: true).hasPrefix("\u{1B}[7;31ma"))
    }
}

@Suite struct TopTextTests {
    @Test(arguments: [("abc", 3), ("你好", 4), ("e\u{301}", 1), ("👍", 2), ("…█", 2), ("", 0), ("ｱ", 1), ("Ａ", 2), ("각", 2), ("䷀", 2), ("🇩", 2), ("☰", 2)])
    func columnsAreCountedAsDisplayed(text: String, columns: Int) { #expect(displayedColumns(text) == columns) }

    @Test(arguments: [
        ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("你好", 3, "你…"), ("你好", 2, "…"), ("abc", 1, "…"), ("abc", 0, ""), ("", 0, ""),
        ("e\u{301}\u{301}\u{301}\u{301}f", 2, "e\u{301}\u{301}f"), ("a\nb", 9, "a\u{FFFD}b"),
    ])
    func textsAreCut(text: String, columns: Int, result: String) { #expect(fitted(text, columns: columns) == result) }

    @Test(arguments: [
        ("", 3, [""]), ("abc", 3, ["abc"]), ("abcd", 3, ["abc", "d"]), ("你好", 3, ["你", "好"]), ("a你", 2, ["a", "你"]), ("你a", 1, ["a"]),
    ])
    func linesAreWrapped(line: String, columns: Int, rows: [String]) { #expect(wrapped(line, columns: columns) == rows) }
}
