import Coordinator
import FoundationEssentials
import Hummingbird
import NIOCore
import Telemetry

extension WebAPI {
    func metrics(_ group: RouterGroup<APIContext>) {
        let (coordinator, metrics) = (coordinator, metrics)
        group.get("/metrics") { request, _ in
            let format = Exposition(accept: request.headers[.accept])
            let state = await coordinator.look { state, now in state.families(at: now) }
            let text = format.text(metrics.families() + state + ProcessFamilies.read())
            return Response(
                status: .ok, headers: [.contentType: format.contentType, .cacheControl: "no-store"], body: .init(byteBuffer: ByteBuffer(string: text)))
        }
    }
}

extension FleetMetrics {
    func count(_ result: WebhookResult) { webhook(result, at: Date().timeIntervalSince1970) }
}
