import Testing

@testable import Fleet

/// As seen with gitlab-runner 14.7.1 and 19.3.0.
@Suite struct ShortTokenTests {
    @Test(arguments: [
        ("glrt-t1_abcdefghijkl", "abcdefghi"), ("glrt-abcdefghijkl", "abcdefghi"), ("glrtr-abcdefghijkl", "abcdefghi"), ("glrt-t3_abcdef", "abcdef"),
        ("abcdefghijklmnopqrst", "abcdefghi"), ("glrt-t1_abcde", nil), ("glrt-", nil), ("", nil),
    ])
    func aTokenIsShortenedAsGitlabRunnerDoes(token: String, short: String?) {
        #expect(ShortToken.of(Secret(token)) == short)
    }

    /// What 14.7 takes of today's tokens is the same for every runner, or nearly.
    @Test(arguments: ["glrt-t1_", "glrt-359", "glrt-", "glrt", "gl", "", "abcde", "glrt-t1_abcde"])
    func whatIsEverybodysIdentifiesNobody(short: String) {
        #expect(!ShortToken.identifies(short))
    }

    @Test func aRunnerOfItsOwnIsIdentified() {
        #expect(ShortToken.identifies("abcdef") && ShortToken.identifies("abcdefghi"))
    }

    /// Two runners whose tokens begin alike: what they left can't be told apart by that.
    @Test func aSharedBeginningIsNotUsed() {
        var scene = Scene()
        for id in ["one", "two"] {
            var runner = Runner(id: id, pool: Pool(name: "p"), launchedFor: nil, at: Scene.start)
            runner.shortToken = "abcdefghi"
            scene.state.runners[id] = runner
        }
        #expect(scene.state.remains(of: "one") == Remains("one", since: Scene.start))
        scene.state.runners["two"]?.shortToken = "other1234"
        #expect(scene.state.remains(of: "one") == Remains("one", shortToken: "abcdefghi", since: Scene.start))
        scene.state.runners["one"]?.terms.executor = .shell
        #expect(scene.state.remains(of: "one") == Remains("one"))
    }
}
