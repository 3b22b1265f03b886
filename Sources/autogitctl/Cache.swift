import ArgumentParser
import ControlModel
import FoundationEssentials

struct Cache: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the caches of pools, or clear one.", subcommands: [List.self, Clear.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the caches of pools with their sizes, also of pools that are no longer configured.")
        @OptionGroup var common: Common

        func run() async throws {
            let (views, raw) = try await common.daemon.get("/caches", as: [CacheView].self)
            if common.json { return writeAll(raw) }
            writeAll(views.isEmpty ? "no caches\n" : Cache.table(views, at: Date()).text(width: terminalWidth()))
        }
    }

    struct Clear: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove the cache of a pool, unless a runner or a job has it now.")
        @Argument(help: "The name of the pool.") var pool: String
        @OptionGroup var common: Common

        func run() async throws {
            let raw = try await common.daemon.call("DELETE", "/caches/\(pathSegment(pool))")
            if common.json { return writeAll(raw) }
            writeAll(Cache.text(try common.daemon.decode(ClearedCacheView.self, raw)) + "\n")
        }
    }

    static func table(_ views: [CacheView], at now: Date) -> Table {
        var table = Table("POOL", "KIND", "SIZE", "AGE", "STATE", "PROJECT", "NAME")
        for view in views {
            table.add(
                view.pool, view.kind, view.size_bytes.map(bytes), view.created_at.flatMap { age($0, at: now) }, state(view), view.project, view.name)
        }
        return table
    }

    private static func state(_ view: CacheView) -> String {
        let use = view.used_by.isEmpty ? nil : "used by \(view.used_by.count)"
        let words = [use, view.configured ? nil : "no longer configured"].compactMap { $0 }
        return words.isEmpty ? (view.kind == "s3" ? "in S3" : "unused now") : words.joined(separator: ", ")
    }

    static func text(_ view: ClearedCacheView) -> String {
        view.removed.isEmpty
            ? "pool \(printable(view.pool)) has no cache"
            : "cleared the cache of pool \(printable(view.pool))\(view.freed_bytes.map { ", \(bytes($0))" } ?? "")"
    }

    /// A size for people.
    static func bytes(_ size: Int64) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where size >= 1 << shift {
            let value = Double(size) / Double(1 << shift)
            return value < 10 ? "\((value * 10).rounded() / 10) \(unit)" : "\(Int(value.rounded())) \(unit)"
        }
        return "\(size) B"
    }
}
