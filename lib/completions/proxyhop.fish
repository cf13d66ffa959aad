# Completion of proxyhop(1) for fish: options, the hosts of ssh's configuration,
# and after -o the hops of -J, with a colon, and keywords.

# The values of all -LETTER so far.
function __proxyhop_value --argument-names letter
    set -l take 0
    for word in (commandline -opc)
        if test $take = 1
            echo -- $word
            set take 0
        else if string match -qr -- "^-[46fGhqtvV]*$letter\$" $word
            set take 1
        else
            string replace -fr -- "^-[46fGhqtvV]*$letter" '' $word
        end
    end
end

# The names in the Host lines of ssh's configuration, or of -F's file.
function __proxyhop_hosts
    sh -c '
@HOSTS@
' sh (__proxyhop_value F)[-1]
end

# [user@]host[,...]
function __proxyhop_jump
    set -l before (commandline -ct | string replace -r '[^,@]*$' '')
    for host in none (__proxyhop_hosts)
        echo -- $before$host
    end
end

# [hop:]keyword=
function __proxyhop_option
    set -l before (commandline -ct | string replace -r '[^:]*$' '')
    if test -z "$before"
        string split , -- (__proxyhop_value J) |
            string replace -r '^.*@' '' | string replace -r ':[0-9]*$' '' |
            string replace -r '$' ':'
    end
    for keyword in (string match -ra '[A-Za-z0-9]+' -- '
@KEYWORDS@
')
        echo -- $before$keyword=
    end
end

complete -c proxyhop -f
complete -c proxyhop -s 4 -d 'IPv4 to the first hop'
complete -c proxyhop -s 6 -d 'IPv6 to the first hop'
complete -c proxyhop -s E -r -F -d 'append messages to a file'
complete -c proxyhop -s F -r -F -d 'configuration file for ssh'
complete -c proxyhop -s f -d 'hand the connection over to ssh'
complete -c proxyhop -s G -d 'print the route and all settings'
complete -c proxyhop -s h -d help
complete -c proxyhop -s i -r -F -d 'a key to offer to every hop'
complete -c proxyhop -s J -x -a '(__proxyhop_jump)' -d 'the jump hosts, nearest first'
complete -c proxyhop -s o -x -a '(__proxyhop_option)' -d 'a keyword of ssh_config, for all hops or one'
complete -c proxyhop -s q -d 'say nothing'
complete -c proxyhop -s r -r -F -d 'the route file'
complete -c proxyhop -s t -d 'try the route, and print timings'
complete -c proxyhop -s v -d 'say what is done'
complete -c proxyhop -s V -d 'print versions'
complete -c proxyhop -a '(__proxyhop_hosts)'
