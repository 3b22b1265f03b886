import Fleet

/// A taint that a pod bears: `v1.Toleration` in Kubernetes' API.
public struct PodToleration: Encodable, Sendable {
    private var key: String?
    private var `operator`: String
    private var value: String?
    private var effect: String?
    private var tolerationSeconds: Int64?

    /// The same as Kubernetes has it.
    public init(_ toleration: KubernetesPool.Toleration) {
        key = toleration.key
        self.operator = toleration.exists ? "Exists" : "Equal"
        value = toleration.exists ? nil : toleration.value ?? ""
        effect = toleration.effect
        tolerationSeconds = toleration.seconds
    }
}
