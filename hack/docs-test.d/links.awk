# The links of a page, but for those in code: their line and where they lead.
# What is commented out is not shown.
!fenced && hidden { if (/-->/) hidden = 0; next }
!fenced && /^ *<!--/ { hidden = !/-->/; next }
/^ *```/ { fenced = !fenced; next }
fenced { next }
{
    text = $0
    gsub(/`[^`]*`/, "", text)
    rest = text
    while (match(rest, /\]\([^) ]+/)) {
        printf "%d\t%s\n", NR, substr(rest, RSTART + 2, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH)
    }
    # The definition of a reference.
    if (match(text, /^ *\[[^\]]+\]: +[^ ]+/)) {
        link = substr(text, RSTART, RLENGTH)
        sub(/^ *\[[^\]]+\]: +/, "", link)
        printf "%d\t%s\n", NR, link
    }
    rest = text
    while (match(rest, /(src|srcset|href)="[^"]+"/)) {
        link = substr(rest, RSTART, RLENGTH)
        sub(/^[a-z]+="/, "", link)
        sub(/"$/, "", link)
        printf "%d\t%s\n", NR, link
        rest = substr(rest, RSTART + RLENGTH)
    }
}
