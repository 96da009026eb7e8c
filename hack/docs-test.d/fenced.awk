# The lines of code blocks marked sh; all others are empty, so that lines keep their numbers.
# What is commented out is not shown.
!inside && hidden { if (/-->/) hidden = 0; print ""; next }
!inside && /^ *<!--/ { hidden = !/-->/; print ""; next }
/^ *```/ {
    inside = inside ? 0 : ($0 ~ /^ *```sh( |$)/ ? 2 : 1)
    print ""
    next
}
{ print inside == 2 ? $0 : "" }
