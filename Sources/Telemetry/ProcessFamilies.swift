import FoundationEssentials
import Glibc

/// What the kernel knows of this process, in the names that Prometheus' client libraries use
/// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics).
public enum ProcessFamilies {
    /// Those that could be read; proc(5) says what is where.
    public static func read() -> [MetricFamily] {
        var limit = rlimit()
        let most = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 ? Double(limit.rlim_cur) : nil
        return families(
            stat: contents("/proc/self/stat"), bootTime: bootTime(contents("/proc/stat")), descriptors: descriptors(), mostDescriptors: most,
            ticks: Double(sysconf(Int32(_SC_CLK_TCK))), pageSize: Double(sysconf(Int32(_SC_PAGESIZE))))
    }

    /// - Parameters:
    ///   - stat: of /proc/self/stat.
    ///   - bootTime: in seconds since 1970.
    ///   - ticks: a second has of the kernel's clock.
    static func families(stat: String?, bootTime: Double?, descriptors: Int?, mostDescriptors: Double?, ticks: Double, pageSize: Double) -> [MetricFamily] {
        // The program's name is in parentheses and may hold any of them, and spaces.
        let fields = stat?.lastIndex(of: ")").flatMap { end in stat?[end...].split(separator: " ").dropFirst().map { Double($0) } } ?? []
        /// Counted as proc(5) does.
        func field(_ number: Int) -> Double? { fields.indices.contains(number - 3) ? fields[number - 3] : nil }
        var families: [MetricFamily] = []
        func add(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double?) {
            if let value { families.append(MetricFamily(name, kind, help, [.init(value)])) }
        }
        let cpu = field(14).flatMap { user in field(15).map { (user + $0) / ticks } }
        add("process_cpu_seconds", .counter, "User and system CPU time of the daemon in seconds.", cpu)
        add("process_resident_memory_bytes", .gauge, "Resident memory of the daemon in bytes.", field(24).map { $0 * pageSize })
        add("process_virtual_memory_bytes", .gauge, "Virtual memory of the daemon in bytes.", field(23))
        add("process_threads", .gauge, "Threads of the daemon.", field(20))
        add("process_open_fds", .gauge, "Open file descriptors of the daemon.", descriptors.map(Double.init))
        add("process_max_fds", .gauge, "The most file descriptors that the daemon may have open.", mostDescriptors)
        add(
            "process_start_time_seconds", .gauge, "Start of the daemon, in seconds since 1970.",
            bootTime.flatMap { boot in field(22).map { boot + $0 / ticks } })
        return families
    }

    private static func bootTime(_ stat: String?) -> Double? {
        stat?.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
    }

    private static func contents(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        // Files of /proc say that they are empty. A machine with many CPUs has long lines before `btime`.
        var bytes = [UInt8](repeating: 0, count: 256 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    private static func descriptors() -> Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Itself, its parent, and the one that reads it.
        return max(0, count - 3)
    }
}
