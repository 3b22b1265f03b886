import Testing

@testable import Fleet

/// The many ways to write the name of an image.
@Suite struct ImageNameTests {
    @Test(arguments: [
        ("debian", "docker.io", "library/debian", "debian:latest"),
        ("debian:12", "docker.io", "library/debian", "debian:12"),
        ("gitlab/gitlab-runner:alpine", "docker.io", "gitlab/gitlab-runner", "gitlab/gitlab-runner:alpine"),
        ("index.docker.io/library/debian:12", "docker.io", "library/debian", "index.docker.io/library/debian:12"),
        ("registry.home:5000/a", "registry.home:5000", "a", "registry.home:5000/a:latest"),
        ("registry.home:5000/a/b:1", "registry.home:5000", "a/b", "registry.home:5000/a/b:1"),
        ("localhost/a", "localhost", "a", "localhost/a:latest"),
        ("home/a@sha256:00", "docker.io", "home/a", "home/a@sha256:00"),
        ("r.home/a:1@sha256:00", "r.home", "a", "r.home/a:1@sha256:00"),
        ("", "docker.io", "library/", ":latest"),
    ])
    func names(text: String, registry: String, path: String, full: String) {
        let name = ImageName(text)
        #expect(name.registry == registry && name.path == path && "\(name)" == full)
    }

    @Test(arguments: [
        ("debian", "docker.io/library/debian:latest"), ("docker.io/library/debian:12", "docker.io/library/debian:12"), ("a/b:1", "docker.io/a/b:1"),
        ("r:5/a@sha256:00", "r:5/a@sha256:00"), ("r:5/a:1@sha256:00", "r:5/a:1@sha256:00"), ("localhost/x:2", "localhost/x:2"),
    ])
    func theCanonicalName(text: String, canonical: String) {
        #expect(ImageName(text).canonical == canonical && ImageName(canonical).canonical == canonical)
    }
}
