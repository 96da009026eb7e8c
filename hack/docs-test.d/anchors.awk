# The anchors of a page's headings, as GitHub makes them.
# What is commented out is not shown.
!fenced && hidden { if (/-->/) hidden = 0; next }
!fenced && /^ *<!--/ { hidden = !/-->/; next }
/^ *```/ { fenced = !fenced; next }
fenced { next }
/^#+ / {
    text = $0
    sub(/^#+ +/, "", text)
    sub(/ +#*$/, "", text)
    # Of a link its text alone.
    while (match(text, /\[[^\]]*\]\([^)]*\)/)) {
        link = substr(text, RSTART, RLENGTH)
        name = link
        sub(/\]\(.*/, "", name)
        text = substr(text, 1, RSTART - 1) substr(name, 2) substr(text, RSTART + RLENGTH)
    }
    text = tolower(text)
    gsub(/[^a-z0-9 _-]/, "", text)
    gsub(/ /, "-", text)
    print (text in seen) ? text "-" seen[text] : text
    seen[text]++
}
{
    rest = $0
    while (match(rest, /<a (id|name)="[^"]+"/)) {
        name = substr(rest, RSTART, RLENGTH)
        gsub(/^<a (id|name)="|"$/, "", name)
        print name
        rest = substr(rest, RSTART + RLENGTH)
    }
}
