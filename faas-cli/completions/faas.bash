# bash completion for faas(1). Names of functions come from the daemon itself.

_faas_names() {
    local connection=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --socket | --url | --token) connection+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    "${COMP_WORDS[0]}" "${connection[@]}" __names 2>/dev/null
}

_faas() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verb= i
    local connection='--socket --url --token --help'
    local deploy='--file --tag --platform --digest --memory --cpus --pids --timeout --concurrency --queue --queue-timeout
                  --tmpfs --open-files --file-size --output --env --warm --launcher --mode --json'
    local pack='--output --entrypoint --cmd --env --workdir --user --label --tag --keep-owners
                --json'
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --socket | --url | --token) ((i++)) ;;
            -*) ;;
            *) verb=${COMP_WORDS[i]}; break ;;
        esac
    done
    local named=
    for ((i++; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --socket | --url | --token) ((i++)) ;;
            -*) ;;
            *) named=${named:-${COMP_WORDS[i]}} ;;
        esac
    done

    case $verb:$previous in receipts:-f | logs:-f) previous= ;; esac
    local languages='python javascript typescript'
    case $verb:$previous in
        run:-l | run:--language | upload:-l | upload:--language)
            mapfile -t COMPREPLY < <(compgen -W "$languages" -- "$current")
            return ;;
        call:--version) return ;;
    esac
    case $previous in
        -f | --file | -o | --output | --socket | --state-dir | --runc)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return ;;
        --mode) mapfile -t COMPREPLY < <(compgen -W 'ephemeral branched' -- "$current"); return ;;
        --protocol) mapfile -t COMPREPLY < <(compgen -W 'http tcp' -- "$current"); return ;;
        --launcher) mapfile -t COMPREPLY < <(compgen -W 'runc native' -- "$current"); return ;;
        --url | --token | --memory | --cpus | --pids | --timeout | --concurrency | --queue | \
            --queue-timeout | --tmpfs | --open-files | --file-size | -e | --env | --warm | --subnet | --function-port | \
            --entrypoint | --cmd | --workdir | --user | --label | --tag | --platform | --digest | \
            --tail | --language | --name | --input) return ;;
    esac

    local words=
    case $verb in
        '') words="new list ip describe rm receipts logs versions rollback runtime run upload call gc pack doctor version --version $connection" ;;
        new) words="$deploy --language --protocol $connection" ;;
        runtime) words="--json $connection" ;;
        run) words="--language --input --stream --json $connection" ;;
        upload) words="--language --json $connection" ;;
        call) words="--version --input --stream --json $connection" ;;
        pack) words="$pack $connection" ;;
        receipts | logs) words="--follow --tail --json $connection" ;;
        doctor) words="--json --state-dir --runc --subnet --function-port $connection" ;;
        *) words="--json $connection" ;;
    esac
    case $verb:$named in runtime:install) words="$deploy --name $connection" ;; esac
    case $verb:$current in
        *:-*) ;;
        runtime:*)
            case $named in
                '') words='list install rm' ;;
                install | rm) words=$languages ;;
                *) words= ;;
            esac ;;
        run:* | upload:*)
            words=
            if [ "$verb" = run ] || [ -n "$named" ]; then
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$current")
                return
            fi ;;
        call:*) words= ;;
        pack:*)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return ;;
        new:* | rm:*) words=$(_faas_names) ;;
        ip:* | describe:* | receipts:* | logs:* | versions:* | rollback:*)
            words=
            [ -n "$named" ] || words=$(_faas_names) ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _faas faas
