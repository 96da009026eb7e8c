# The lines of code blocks marked sh; all others are empty, so that lines keep their numbers.
/^ *```/ {
    inside = inside ? 0 : ($0 ~ /^ *```sh( |$)/ ? 2 : 1)
    print ""
    next
}
{ print inside == 2 ? $0 : "" }
