import Fleet
import Foundation
import FakeGitLab
import HTTPTransfer
import Testing

@testable import GitLab

/// Hooks that GitLab has turned off after failures.
@Suite struct ProjectHooksTests {
    private static let url = "http://autogit.test:8080/webhook/job"

    /// Four failures are for a while, forty for good.
    @Test(arguments: [4, 40]) func installingTurnsAHookOfOursOnAgain(failures: Int) async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge()
            let old = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("one")).id
            let others = await rig.instance.addHook(project: project.id, url: "http://chat.test/", secret: nil)
            await rig.instance.failHook(old, times: failures)
            #expect(await rig.instance.isHookDisabled(old))
            let new = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("two"))
            #expect(!new.isNew && new.id != old)
            #expect(await rig.instance.hooks(ofProject: project.id) == [others, new.id])
            #expect(await !rig.instance.isHookDisabled(new.id))
            #expect(await rig.instance.secretOfHook(new.id) == "two")
        }
    }

    @Test func itsSettingsStay() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge()
            let old = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("one")).id
            let settings = #"{"note_events":true,"name":"builds","push_events_branch_filter":"main"}"#
            let put = HTTPRequest(
                "PUT", "\(rig.gitlab.url)/api/v4/projects/\(project.id)/hooks/\(old)",
                headers: [("PRIVATE-TOKEN", rig.secret(.administrator)), ("Content-Type", "application/json")], body: Array(settings.utf8))
            #expect(try await HTTPClient().send(put).isSuccess)
            await rig.instance.failHook(old, times: 4)
            let new = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("one")).id
            let shown = await rig.instance.shownHook(new)
            #expect(shown["note_events"] == .bool(true) && shown["name"]?.text == "builds" && shown["push_events_branch_filter"]?.text == "main")
            #expect(shown["job_events"] == .bool(true) && shown["alert_status"]?.text == "executable")
        }
    }

    /// As the look from time to time has it: what is on is left alone, and so are others' hooks.
    @Test func aLookRevivesWhatIsOffAndTouchesNothingElse() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge()
            let chat = await rig.instance.addHook(project: project.id, url: "http://chat.test/", secret: nil)
            await rig.instance.failHook(chat, times: 40)
            let hook = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("one")).id
            let writes = { await rig.instance.requests.filter { !$0.key.hasPrefix("GET ") }.values.reduce(0, +) }
            let before = await writes()
            #expect(try await !forge.reviveHook(project: "a/b", url: Self.url, secret: Secret("one")))
            #expect(await writes() == before)
            await rig.instance.failHook(hook, times: 4)
            #expect(try await forge.reviveHook(project: "a/b", url: Self.url, secret: Secret("one")))
            let left = await rig.instance.hooks(ofProject: project.id)
            #expect(left.count == 2 && left[0] == chat && left[1] != hook)
            #expect(await rig.instance.isHookDisabled(chat))
            #expect(await !rig.instance.isHookDisabled(left[1]))
        }
    }

    /// One that leads here by another address can't be made anew, for its address is the operator's. Only there the test call is made.
    @Test(arguments: [204, 503]) func aHookByAnotherAddressIsTriedWithGitLabsTestCall(status: Int) async throws {
        try await Rig.run { receiver in
            try await Rig.run { rig in
                let project = try await rig.project("a/b")
                let forge = await rig.forge()
                await receiver.instance.inject(.answer(status: status, type: "text/plain", body: ""), times: .max)
                let proxied = await rig.instance.addHook(project: project.id, url: "\(receiver.gitlab.url)/webhook/job", secret: "theirs")
                await rig.instance.failHook(proxied, times: 40)
                if status == 204 {
                    #expect(try await forge.reviveHook(project: "a/b", url: Self.url, secret: Secret("one")))
                    #expect(try await !forge.reviveHook(project: "a/b", url: Self.url, secret: Secret("one")))
                } else {
                    #expect(await gitLabError { _ = try await forge.reviveHook(project: "a/b", url: Self.url, secret: Secret("one")) }?.status == 422)
                }
                #expect(await rig.instance.hooks(ofProject: project.id) == [proxied])
                #expect(await rig.instance.isHookDisabled(proxied) == (status != 204))
                #expect(await rig.instance.secretOfHook(proxied) == "theirs")
            }
        }
    }

    @Test func whoMayNotSeeHooksIsNotTroubled() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let reader = await rig.forge(.member, scopes: ["read_api"])
            #expect(try await !reader.reviveHook(project: "\(project.id)", url: Self.url, secret: Secret("one")))
            #expect(try await !reader.reviveHook(project: "4711", url: Self.url, secret: Secret("one")))
        }
    }

    /// A new one that can't be made costs nothing of the old one.
    @Test func theOldOneStaysUntilTheNewOneIsThere() async throws {
        try await Rig.run { rig in
            let project = try await rig.project("a/b")
            let forge = await rig.forge()
            let old = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("one")).id
            await rig.instance.failHook(old, times: 4)
            await rig.instance.setAllowsLocalHooks(false)
            #expect(await gitLabError { _ = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("one")) }?.status == 422)
            #expect(await rig.instance.hooks(ofProject: project.id) == [old])
            await rig.instance.setAllowsLocalHooks(true)
            // A delete whose answer is lost leaves two; the next time there is one.
            await rig.instance.inject(.status(500), method: "DELETE")
            _ = await gitLabError { _ = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("one")) }
            #expect(await rig.instance.hooks(ofProject: project.id).count == 2)
            let kept = try await forge.installHook(project: "a/b", url: Self.url, secret: Secret("one")).id
            #expect(await rig.instance.hooks(ofProject: project.id) == [kept] && kept != old)
        }
    }
}
