# AutoGit's settings of GitLab, for a home: a few people and little memory. They are evaluated before those of /etc/autogit/gitlab.rb, and
# those before /etc/gitlab/gitlab.rb in the container, so yours win.
initial_root_password = File.read('/run/autogit-root-password').strip
gitlab_rails['initial_root_password'] = initial_root_password unless initial_root_password.empty?

# Podman publishes the port of the address; inside it is always 80, without TLS.
nginx['listen_port'] = 80
nginx['listen_https'] = false
# The kernel is the host's, and this root is not.
package['modify_kernel_parameters'] = false

# GitLab's own advice for machines with little memory: https://docs.gitlab.com/omnibus/settings/memory_constrained_envs.html
puma['worker_processes'] = 0
sidekiq['concurrency'] = 10
prometheus_monitoring['enable'] = false
gitlab_kas['enable'] = false
gitlab_rails['env'] = { 'MALLOC_CONF' => 'dirty_decay_ms:1000,muzzy_decay_ms:1000' }
gitaly['env'] = { 'MALLOC_CONF' => 'dirty_decay_ms:1000,muzzy_decay_ms:1000', 'GITALY_COMMAND_SPAWN_MAX_PARALLEL' => '2' }
gitaly['configuration'] = {
  concurrency: [
    { 'rpc' => '/gitaly.SmartHTTPService/PostReceivePack', 'max_per_repo' => 3 },
    { 'rpc' => '/gitaly.SSHService/SSHUploadPack', 'max_per_repo' => 3 }
  ]
}
