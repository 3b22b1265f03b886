# Your settings of GitLab, in Ruby, as in GitLab's own /etc/gitlab/gitlab.rb. They follow AutoGit's in /usr/lib/autogit/gitlab.rb and win over
# them. After a change: systemctl restart autogit-gitlab. No secrets here, please: `podman inspect` shows this text; those belong into
# /var/lib/autogit-gitlab/config/gitlab.rb.

#gitlab_rails['time_zone'] = 'Europe/Berlin'
#puma['worker_processes'] = 2     # where there are 8 GB of memory
