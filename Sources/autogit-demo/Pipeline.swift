extension Scenario {
    /// The guide's Test Scenario 1, unchanged.
    static let pipeline = #"""
        stages:
          - test
          - build

        # Simple test job
        test:hello:
          stage: test
          script:
            - echo "Hello from AutoGit dynamic runner!"
            - echo "Runner: ${CI_RUNNER_DESCRIPTION}"
            - echo "Job ID: ${CI_JOB_ID}"
            - echo "Pipeline ID: ${CI_PIPELINE_ID}"
          tags:
            - autogit
            - docker

        # CPU-intensive job
        test:load:
          stage: test
          script:
            - echo "Testing CPU load..."
            - dd if=/dev/zero of=/dev/null bs=1M count=1000
            - echo "Load test complete"
          tags:
            - autogit
            - docker

        # Parallel jobs to test multiple runners
        test:parallel:1:
          stage: build
          script:
            - echo "Parallel job 1 running"
            - sleep 30
          tags:
            - autogit

        test:parallel:2:
          stage: build
          script:
            - echo "Parallel job 2 running"
            - sleep 30
          tags:
            - autogit

        test:parallel:3:
          stage: build
          script:
            - echo "Parallel job 3 running"
            - sleep 30
          tags:
            - autogit

        """#
}
