import ControlModel
import Foundation
import FakeGitLab
import TestBench
import Testing

extension EndToEndTests {
    /// A token that ends in five days, and may read only.
    @Test func aTokenThatExpiresSoonAndLacksScopesIsToldInHealthAndJournal() async throws {
        let directory = "/tmp/autogit-token-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let gitlab = try await FakeGitLabServer.start(directory: directory)
        let day = Date(timeIntervalSinceNow: 5.5 * 86_400).formatted(.iso8601.year().month().day())
        let token = "glpat-e2e-\(UInt64.random(in: 0 ... .max))"
        await gitlab.instance.add(AccessToken(secret: token, scopes: ["read_api", "create_runner"], isAdmin: true, expiresAt: day))
        let daemon = try DaemonUnderTest(
            program: product("autogitd"), directory: directory, gitlab: gitlab.url, token: token, engine: "\(directory)/none.sock",
            settings: "[[pool]]\nname = \"p\"\nrun_untagged = true\n")
        try await daemon.start()
        let deadline = ContinuousClock.now + .seconds(600)
        var warnings: [String] = []
        while !warnings.contains(where: { $0.contains("access token") }), ContinuousClock.now < deadline {
            warnings = try await daemon.get("/health", as: HealthView.self).warnings ?? []
        }
        #expect(
            warnings.contains { $0.contains("the access token expires on \(day), in 5 days") || $0.contains("expires on \(day), in 4 days") }, "\(warnings)")
        #expect(warnings.contains { $0.contains("manage_runner") }, "\(warnings)")
        #expect(daemon.log.contains("The access token expires on \(day)") && daemon.log.contains("The access token lacks the scope"), "\(daemon.log)")
        #expect(await gitlab.instance.requests["GET /api/v4/personal_access_tokens/self"] == 1)
        #expect(!daemon.log.contains(token))
        await daemon.stop()
        await gitlab.stop()
        try FileManager.default.removeItem(atPath: directory)
    }
}
