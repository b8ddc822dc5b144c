# fish completion for faas(1). Names of functions come from the daemon itself.

function __faas_names
    set -l words (commandline -opc)
    set -l connection
    for option in --socket --url --token
        if set -l at (contains -i -- $option $words)
            set -a connection $option $words[(math $at + 1)]
        end
    end
    command faas $connection __names 2>/dev/null
end

# True until there is a word behind the verb.
function __faas_lacks_name
    set -l count 0
    set -l is_value
    for word in (commandline -opc)[2..-1]
        if test -n "$is_value"
            set is_value
            continue
        end
        switch $word
            case --socket --url --token
                set is_value yes
            case '-*'
            case '*'
                set count (math $count + 1)
        end
    end
    test $count -lt 2
end

set -l verbs new list ip describe rm receipts logs versions rollback runtime run upload call gc \
    pack doctor version
set -l one 'not __fish_seen_subcommand_from '(string join ' ' $verbs)

complete -c faas -f
complete -c faas -l socket -r -F -d 'Socket of the daemon'
complete -c faas -l url -x -d 'http://HOST:PORT of the daemon'
complete -c faas -l token -x -d 'Bearer token'
complete -c faas -s h -l help -d 'Print help'

complete -c faas -n $one -l version -d 'Print the version'
complete -c faas -n $one -a new -d 'Deploy a docker save tarball'
complete -c faas -n $one -a list -d 'List the functions'
complete -c faas -n $one -a ip -d 'Print the address of a function'
complete -c faas -n $one -a describe -d 'Show everything about a function'
complete -c faas -n $one -a rm -d 'Drain and remove functions'
complete -c faas -n $one -a pack -d 'Make an image from a directory'
complete -c faas -n $one -a receipts -d 'Show what invocations cost'
complete -c faas -n $one -a logs -d 'Show what instances wrote'
complete -c faas -n $one -a versions -d 'List the versions of a function'
complete -c faas -n $one -a rollback -d 'Go back to an earlier version'
complete -c faas -n $one -a runtime -d 'Install languages, list and remove them'
complete -c faas -n $one -a run -d 'Run a script'
complete -c faas -n $one -a upload -d 'Keep a script, to call it'
complete -c faas -n $one -a call -d 'Run an uploaded script'
complete -c faas -n $one -a gc -d 'Free what nothing uses'
complete -c faas -n $one -a doctor -d 'Check this host'
complete -c faas -n $one -a version -d 'Print the versions'

complete -c faas -n '__fish_seen_subcommand_from new rm; and not __fish_seen_subcommand_from runtime' -a '(__faas_names)'
complete -c faas -n '__fish_seen_subcommand_from ip describe receipts logs versions rollback; and __faas_lacks_name' -a '(__faas_names)'
complete -c faas -n "__fish_seen_subcommand_from $verbs" -l json -d 'Print JSON'

set -l runtime '__fish_seen_subcommand_from runtime'
complete -c faas -n "$runtime; and __faas_lacks_name" -a 'list install rm'
complete -c faas -n "$runtime; and __fish_seen_subcommand_from install rm" -a 'python javascript typescript'
complete -c faas -n "$runtime; and __fish_seen_subcommand_from install" -l name -x -d 'The function'

set -l scripts '__fish_seen_subcommand_from run upload'
complete -c faas -n $scripts -F
complete -c faas -n $scripts -s l -l language -x -a 'python javascript typescript' -d 'Its language'
set -l runs '__fish_seen_subcommand_from run call'
complete -c faas -n $runs -l input -x -d 'What it gets: JSON, or @FILE'
complete -c faas -n $runs -l stream -d 'Show what it writes as it comes'
complete -c faas -n '__fish_seen_subcommand_from call' -l version -x -d 'One of its versions'

set -l new '__fish_seen_subcommand_from new install'
complete -c faas -n $new -s f -l file -r -F -d 'A tarball, or a directory with an OCI layout'
complete -c faas -n $new -l tag -x -d 'Which image of several'
complete -c faas -n $new -l platform -x -a 'linux/amd64 linux/arm64' -d 'Which image of several'
complete -c faas -n $new -l digest -x -d 'Take no other image'
complete -c faas -n $new -l memory -x -d 'Memory of an instance'
complete -c faas -n $new -l cpus -x -d 'Processors of an instance'
complete -c faas -n $new -l pids -x -d 'Processes and threads of an instance'
complete -c faas -n $new -l timeout -x -d 'Longest time of an invocation'
complete -c faas -n $new -l concurrency -x -d 'Instances at once'
complete -c faas -n $new -l queue -x -d 'Connections that may wait'
complete -c faas -n $new -l queue-timeout -x -d 'Longest wait of a connection'
complete -c faas -n $new -l tmpfs -x -d 'Size of /tmp'
complete -c faas -n $new -l open-files -x -d 'Open files of each process'
complete -c faas -n $new -l file-size -x -d 'Size of one file'
complete -c faas -n $new -l output -x -d 'Kept of stdout and stderr'
complete -c faas -n $new -s e -l env -x -d 'Variable K=V of the container'
complete -c faas -n $new -l warm -x -d 'Instances to keep waiting'
complete -c faas -n $new -l launcher -x -a 'runc native' -d 'What starts the container'
complete -c faas -n $new -l mode -x -a 'ephemeral branched' -d 'How instances begin'
complete -c faas -n '__fish_seen_subcommand_from new' -l language -x -d 'It runs scripts: JSON'
complete -c faas -n '__fish_seen_subcommand_from new' -l protocol -x -a 'http tcp' -d 'What clients speak'

set -l records '__fish_seen_subcommand_from receipts logs'
complete -c faas -n $records -s f -l follow -d 'Show what comes'
complete -c faas -n $records -l tail -x -d 'How many to begin with'

set -l pack '__fish_seen_subcommand_from pack'
complete -c faas -n $pack -a '(__fish_complete_directories)'
complete -c faas -n $pack -s o -l output -r -F -d 'The tarball'
complete -c faas -n $pack -l entrypoint -x -d 'What runs: a program, or a JSON list'
complete -c faas -n $pack -l cmd -x -d 'Its arguments: a word, or a JSON list'
complete -c faas -n $pack -s e -l env -x -d 'Variable K=V of the image'
complete -c faas -n $pack -l workdir -x -d 'Directory it starts in'
complete -c faas -n $pack -l user -x -d 'Whom it runs as'
complete -c faas -n $pack -l label -x -d 'Label K=V of the image'
complete -c faas -n $pack -l tag -x -d 'Name of the image'
complete -c faas -n $pack -l keep-owners -d 'Owners as on disk'

set -l doctor '__fish_seen_subcommand_from doctor'
complete -c faas -n $doctor -l state-dir -r -F -d 'Where images will live'
complete -c faas -n $doctor -l runc -r -F -d 'The runtime to look at'
complete -c faas -n $doctor -l subnet -x -d 'The addresses of functions'
complete -c faas -n $doctor -l function-port -x -d 'Their port'
