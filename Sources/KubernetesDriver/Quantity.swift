/// Amounts as Kubernetes writes them (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity).
enum Quantity {
    private static let suffixes: [(String, Double)] = [
        ("Ki", 1024), ("Mi", 1_048_576), ("Gi", 1_073_741_824), ("Ti", 1_099_511_627_776), ("Pi", 1_125_899_906_842_624),
        ("Ei", 1_152_921_504_606_846_976),
        ("n", 1e-9), ("u", 1e-6), ("m", 1e-3), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18),
    ]

    /// nil for what is no amount, or a negative one.
    static func value(_ text: String) -> Double? {
        // `E` ends an amount, and `e3` is an exponent, which Swift reads itself.
        let (suffix, factor) = suffixes.first { text.hasSuffix($0.0) } ?? ("", 1)
        guard let first = text.first, first.isNumber || first == ".", let number = Double(text.dropLast(suffix.count)), number.isFinite else { return nil }
        return number * factor
    }

    /// CPUs in thousandths, which are as fine as Kubernetes counts; at least one of them.
    static func text(_ cpus: Double) -> String { "\(max(1, Int64((cpus * 1000).rounded())))m" }
}
