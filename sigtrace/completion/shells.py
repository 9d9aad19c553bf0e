"""The scripts that ask for completions, and the answers, in the form that each of the shells reads.

A script runs the command itself with `_SIGTRACE_COMPLETE` in its environment, and the line so far as `COMP_WORDS`. An
answer has a line for each word: the word, and after a tab its description. The first line may be `@files` or
`@directories`: what the shell itself completes, besides.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "_SIGTRACE_COMPLETE"

BASH = r"""# Completion of sigtrace for bash, also behind sudo where bash-completion is loaded.
_sigtrace_completion() {
    local IFS=$'\n' answer line
    answer=$(${SIGTRACE_COMPLETION_PREFIX:+$(IFS=' '; printf '%s\n' $SIGTRACE_COMPLETION_PREFIX)} \
        env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" _SIGTRACE_COMPLETE=bash_complete \
        "${1/#\~/$HOME}" 2>/dev/null)
    COMPREPLY=()
    for line in $answer; do
        case $line in
            @files) compopt -o default 2>/dev/null ;;
            @directories) compopt -o dirnames 2>/dev/null ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done
}
complete -o nosort -F _sigtrace_completion sigtrace
"""

ZSH = r"""#compdef sigtrace
# Completion of sigtrace for zsh.
_sigtrace_completion() {
    local -a answer described
    local line
    answer=("${(@f)$(${=SIGTRACE_COMPLETION_PREFIX:-} env COMP_WORDS="${(F)words}" COMP_CWORD=$((CURRENT - 1)) \
        _SIGTRACE_COMPLETE=zsh_complete ${~words[1]} 2>/dev/null)}")
    for line in $answer; do
        case $line in
            @files) _files ;;
            @directories) _files -/ ;;
            ?*) described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
        esac
    done
    (( $#described )) && _describe -V sigtrace described
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _sigtrace_completion "$@"
else
    compdef _sigtrace_completion sigtrace
fi
"""

FISH = r"""# Completion of sigtrace for fish.
function _sigtrace_completion
    set -l prefix (string split -n ' ' -- "$SIGTRACE_COMPLETION_PREFIX")
    set -l words (commandline -opc)
    set -l asked (string join \n -- $words (commandline -ct) | string collect)
    for line in (env $prefix env COMP_WORDS="$asked" COMP_CWORD=(count $words) _SIGTRACE_COMPLETE=fish_complete \
            $words[1] 2>/dev/null)
        switch $line
            case @files
                __fish_complete_path (commandline -ct)
            case @directories
                __fish_complete_directories (commandline -ct)
            case '*'
                echo $line
        end
    end
end
complete --no-files --command sigtrace --arguments '(_sigtrace_completion)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

_BESIDES = {
    "files": "@files",
    "directories": "@directories",
    "directories+targets": "@directories",
    "anything": "",
}


def answer(shell: str, line: str, place: str) -> str:
    """Return what follows on a command line.

    line: its words, a line each, as they were typed; place: the number of the one that is to be completed.
    """
    from sigtrace.completion.line import asked, split
    from sigtrace.completion.offers import matching, offered

    number = int(place) if place.isdecimal() else 0
    words = [" ".join(split(word)) for word in line.split("\n")]
    begun = words[number] if number < len(words) else ""
    kind, begun, known = asked(words[1:number], begun)
    found = offered(kind, begun) if kind else matching(known, begun)
    typed = words[number] if number < len(words) else ""
    if shell != "bash" and typed.startswith("--") and "=" in typed:  # bash has split it already
        option = typed.partition("=")[0]
        found = {f"{option}={word}": about for word, about in found.items()}
    besides = _BESIDES.get(kind, "")
    return "".join(
        f"{each}\n" for each in (*filter(None, [besides]), *(f"{a}\t{b}" for a, b in found.items()))
    )


def main() -> None:
    """Answer the shell that asks, or print its script."""
    shell, _, what = os.environ[VARIABLE].partition("_")
    if what == "source":
        sys.stdout.write(SCRIPTS.get(shell, ""))
    else:
        sys.stdout.write(answer(shell, os.environ.get("COMP_WORDS", ""), os.environ.get("COMP_CWORD", "")))
