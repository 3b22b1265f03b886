import Fleet
import FakeGitLab
import Testing

@testable import GitLab

/// What GitLab tells of a token, and what that means for its use.
@Suite struct TokenFactsTests {
    @Test(
        arguments: [
            (.administrator, ["api"], .yes),
            (.administratorWithoutMode, ["api"], .withoutAdminMode),
            (.member, ["read_api", "create_runner", "manage_runner"], .no),
            // Any token may ask about itself, and these may not ask about their owners.
            (.member, ["create_runner"], .unknown),
        ] as [(Rig.Person, Set<String>, TokenFacts.Administrator)])
    func aTokenShowsItself(_ person: Rig.Person, _ scopes: Set<String>, _ administrator: TokenFacts.Administrator) async throws {
        try await Rig.run { rig in
            let facts = try await rig.forge(person, scopes: scopes).tokenFacts()
            #expect(facts == TokenFacts(name: "autogit", scopes: scopes, isRevoked: false, administrator: administrator))
        }
    }

    @Test func itsEndIsTheBeginningOfTheDayThatIsShown() async throws {
        try await Rig.run { rig in
            let forge = await rig.forge()
            await rig.instance.add(AccessToken(secret: rig.secret(.administrator), scopes: ["api"], isAdmin: true, expiresAt: "2099-02-28"))
            let expiry = try await forge.tokenFacts().expiry
            #expect(expiry?.day == "2099-02-28" && expiry?.at.iso8601 == "2099-02-28T00:00:00.000Z")
        }
        for odd in ["", "soon", "2099-02-30", "28.2.2099"] { #expect(TokenFacts.Expiry(day: odd) == nil) }
    }

    /// GitLab 15.4, and tokens of OAuth.
    @Test func whatGitLabDoesNotTellIsUnknownAndNoFault() async throws {
        try await Rig.run { rig in
            let forge = await rig.forge()
            await rig.instance.setShowsTokens(false)
            #expect(try await forge.tokenFacts() == TokenFacts(administrator: .yes))
            await rig.instance.setShowsTokens(true)
            await rig.instance.add(AccessToken(secret: rig.secret(.administrator), scopes: ["api"], isAdmin: true, isPersonal: false))
            let facts = try await forge.tokenFacts()
            #expect(facts == TokenFacts(administrator: .yes))
            #expect(facts.lacks(for: TokenNeeds(instanceRunners: true, writesProjects: true)).isEmpty)
        }
    }

    @Test func anOutageAndARefusedTokenAreErrors() async throws {
        try await Rig.run { rig in
            let forge = await rig.forge()
            await rig.instance.inject(.badGateway)
            #expect(await gitLabError { _ = try await forge.tokenFacts() }?.kind == .serverError)
            await rig.instance.inject(.noRoute)
            #expect(await gitLabError { _ = try await forge.tokenFacts() }?.kind == .badAnswer)
            await rig.instance.add(AccessToken(secret: rig.secret(.administrator), scopes: ["api"], isAdmin: true, expiresAt: "2020-01-01"))
            let expired = await gitLabError { _ = try await forge.tokenFacts() }
            #expect(expired?.tokenRefused == true && expired?.message.contains("the token has expired") == true, "\(expired?.message ?? "")")
            await rig.instance.revoke(rig.secret(.administrator))
            let revoked = await gitLabError { _ = try await forge.tokenFacts() }
            #expect(revoked?.tokenRefused == true && revoked?.message.contains("the token was revoked") == true, "\(revoked?.message ?? "")")
        }
    }

    @Test func oddFieldsCostOnlyThemselves() async throws {
        try await Rig.run { rig in
            let forge = await rig.forge()
            let body = #"{"id":1,"name":7,"scopes":["api"],"expires_at":20270131,"revoked":null}"#
            await rig.instance.inject(.answer(status: 200, type: "application/json", body: body), path: "/api/v4/personal_access_tokens/self")
            let facts = try await forge.tokenFacts()
            #expect(facts == TokenFacts(scopes: ["api"], administrator: .yes))
        }
    }

    @Test(
        arguments: [
            (["api"], .yes, true, true, []),
            (["read_api", "create_runner", "manage_runner"], .yes, true, false, []),
            (["read_api", "create_runner"], .yes, true, false, [.scopes(["manage_runner"])]),
            (["read_user"], .unknown, false, false, [.scopes(["read_api", "create_runner", "manage_runner"])]),
            (["read_api", "create_runner", "manage_runner"], .yes, true, true, [.scopes(["api"])]),
            (["api"], .withoutAdminMode, true, false, [.adminMode]),
            (["api"], .no, true, false, [.administrator(mayBeAdminMode: true)]),
            (["api", "admin_mode"], .no, true, false, [.administrator(mayBeAdminMode: false)]),
            (nil, .no, true, false, [.administrator(mayBeAdminMode: true)]),
            // Runners of groups and projects need no administrator.
            (["api"], .no, false, true, []), (["api"], .withoutAdminMode, false, false, []),
            // Unknown is not lacking.
            (nil, .unknown, true, true, []), (["granular"], .unknown, true, true, []),
        ] as [(Set<String>?, TokenFacts.Administrator, Bool, Bool, [TokenLack])])
    func whatAUseLacks(
        scopes: Set<String>?, administrator: TokenFacts.Administrator, instanceRunners: Bool, writesProjects: Bool, lacks: [TokenLack]
    ) {
        let facts = TokenFacts(scopes: scopes, administrator: administrator)
        #expect(facts.lacks(for: TokenNeeds(instanceRunners: instanceRunners, writesProjects: writesProjects)) == lacks)
    }

    @Test func eachLackNamesWhatIsMissingAndTheNextStep() {
        #expect(TokenLack.adminMode.text.contains("admin_mode"))
        #expect(TokenLack.administrator(mayBeAdminMode: true).text.contains("admin_mode"))
        #expect(!TokenLack.administrator(mayBeAdminMode: false).text.contains("admin_mode"))
        #expect(TokenLack.scopes(["manage_runner"]).text.contains("manage_runner"))
        let all: [TokenLack] = [.adminMode, .administrator(mayBeAdminMode: true), .scopes(["api"]), .revoked]
        for lack in all { #expect(lack.text.contains("autogitctl token set")) }
        #expect(TokenFacts(isRevoked: true).lacks(for: TokenNeeds(instanceRunners: false)) == [.revoked])
    }

    /// What a person sees when a runner can't be registered.
    @Test func refusedRegistrationsNameTheScopeOrAdminMode() async throws {
        try await Rig.run { rig in
            let spec = RunnerSpec(runner: "0123456789ab", instance: "i", pool: Pool(name: "p"))
            let scope = await gitLabError { _ = try await rig.forge(scopes: ["read_api"]).register(spec) }
            #expect(
                scope?.kind == .forbidden && scope?.message.contains("the token lacks the scope for that, which is create_runner") == true,
                "\(scope?.message ?? "")")
            let mode = await gitLabError { _ = try await rig.forge(.administratorWithoutMode).register(spec) }
            #expect(mode?.kind == .forbidden && mode?.message.contains("with admin mode on one with the scope admin_mode") == true, "\(mode?.message ?? "")")
        }
    }
}
