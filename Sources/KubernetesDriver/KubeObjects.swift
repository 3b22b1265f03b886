import Fleet

/// What AutoGit reads of Kubernetes' objects (kubernetes.io/docs/reference/kubernetes-api). All that a server may leave out is optional.
struct KubeList<Item: Decodable & Sendable>: Decodable, Sendable {
    struct Metadata: Decodable, Sendable {
        var resourceVersion: String?
        var `continue`: String?
    }
    var metadata: Metadata?
    var items: [Item]?
}

struct KubeMetadata: Decodable, Sendable {
    struct Owner: Decodable, Sendable { var uid: String }
    var name: String
    var uid: String
    var resourceVersion: String?
    var creationTimestamp: String?
    var deletionTimestamp: String?
    var labels: [String: String]?
    var annotations: [String: String]?
    var ownerReferences: [Owner]?
    var finalizers: [String]?
}

struct KubeCondition: Decodable, Sendable {
    var type: String
    var status: String
    var reason: String?
    var message: String?
    var isTrue: Bool { status == "True" }
}

struct KubeJob: Decodable, Sendable {
    struct Spec: Decodable, Sendable { var suspend: Bool? }
    struct Status: Decodable, Sendable { var conditions: [KubeCondition]? }
    var metadata: KubeMetadata
    var spec: Spec?
    var status: Status?
}

struct KubePod: Decodable, Sendable {
    struct Spec: Decodable, Sendable { var nodeName: String? }
    struct Status: Decodable, Sendable {
        var phase: String?
        var reason: String?
        var message: String?
        var conditions: [KubeCondition]?
        var initContainerStatuses: [Container]?
        var containerStatuses: [Container]?
    }
    struct Container: Decodable, Sendable {
        struct State: Decodable, Sendable {
            var waiting: Waiting?
            var running: Running?
            var terminated: Terminated?
        }
        struct Waiting: Decodable, Sendable {
            var reason: String?
            var message: String?
        }
        struct Running: Decodable, Sendable {}
        struct Terminated: Decodable, Sendable {
            var exitCode: Int
            var reason: String?
            var message: String?
        }
        var name: String
        var state: State?
    }
    var metadata: KubeMetadata
    var spec: Spec?
    var status: Status?
}

/// A `v1.Event`, which is words about another object.
struct KubeEvent: Decodable, Sendable {
    var type: String?
    var reason: String?
    var message: String?
    var lastTimestamp: String?
    var eventTime: String?
}

struct KubeNode: Decodable, Sendable {
    struct Metadata: Decodable, Sendable {
        var name: String
        var labels: [String: String]?
    }
    struct Spec: Decodable, Sendable { var unschedulable: Bool? }
    struct Status: Decodable, Sendable {
        var allocatable: [String: String]?
        var conditions: [KubeCondition]?
    }
    var metadata: Metadata
    var spec: Spec?
    var status: Status?
}
