// What shells run to complete a line: each asks `heddle __complete` with the words so far; the last may be empty.

/** Candidates come as 'WORD' or 'WORD<tab>WHAT'; ':files' and ':directories' ask the shell for its own. */
const BASH = `# bash completion of heddle
_heddle_names() {
  local name
  compopt -o filenames 2>/dev/null
  while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen "$1" -- "$2")
}
_heddle() {
  local words=() line candidate
  words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  local current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  # '=' and ':' part words for bash; what follows is completed as its own word.
  if [[ "$current" == "=" ]]; then current=""; fi
  while IFS= read -r line; do
    candidate="\${line%%$'\\t'*}"
    case "$candidate" in
      :files) _heddle_names -f "$current" ;;
      :directories) _heddle_names -d "$current" ;;
      "$current"*) COMPREPLY+=("$candidate") ;;
    esac
  done < <("\${COMP_WORDS[0]}" __complete -- "\${words[@]}" 2>/dev/null)
}
complete -F _heddle heddle
`;

const ZSH = `#compdef heddle
_heddle() {
  local -a candidates
  local line word what
  while IFS= read -r line; do
    word="\${line%%$'\\t'*}"
    case "$word" in
      :files) _files ;;
      :directories) _files -/ ;;
      *)
        what=""
        [[ "$line" == *$'\\t'* ]] && what="\${line#*$'\\t'}"
        if [[ -n "$what" ]]; then candidates+=("\${word//:/\\\\:}:$what"); else candidates+=("\${word//:/\\\\:}"); fi
        ;;
    esac
  done < <("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#candidates} )) && _describe 'heddle' candidates
}
if [[ "$funcstack[1]" == "_heddle" ]]; then _heddle "$@"; else compdef _heddle heddle; fi
`;

const FISH = `# fish completion of heddle
function __heddle_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    switch $line
      case ':files'
        __fish_complete_path (commandline -ct)
      case ':directories'
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c heddle -f -a '(__heddle_complete)'
`;

export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;
