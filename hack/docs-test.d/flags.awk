# Flags in a page's running text (`--qps`, `run quick --virtual`) that nothing has: first the list of flags, one
# `command --flag` a line, then the page. What begins with the name of a command must be a flag of that one.
NR == FNR {
    commands[$1] = 1
    known[$2] = 1
    of[$1 " " $2] = 1
    next
}
# What is commented out is not shown.
!fenced && hidden { if (/-->/) hidden = 0; next }
!fenced && /^ *<!--/ { hidden = !/-->/; next }
/^ *```/ { fenced = !fenced; next }
fenced { next }
{
    rest = $0
    while (match(rest, /`[^`]+`/)) {
        span = substr(rest, RSTART + 1, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH)
        sub(/^(cargo run --release --|dst-load-controller) /, "", span)
        count = split(span, words, /[ =\[]+/)
        name = (words[1] in commands) ? words[1] : ""
        if (name == "" && span !~ /^--/) continue
        for (i = 1; i <= count; i++) {
            if (words[i] !~ /^--[a-z]/) continue
            word = words[i]
            sub(/[^a-z0-9-].*$/, "", word)
            if (name != "" && !((name " " word) in of)) printf "%d: %s has no %s\n", FNR, name, word
            else if (!(word in known)) printf "%d: nothing has a flag %s\n", FNR, word
        }
    }
}
