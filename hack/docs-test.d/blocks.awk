# Makes a script of each code block marked sh, with `ended CODE WANTED LINE` behind each of its commands, and
# prints the block's line, what it needs (- for nothing), and the script's name. A command goes on after a backslash and through
# a here-document. Of a block that needs something, only the lines that call the tool are kept.

function close_command() {
    if (command == "") return
    plain = command
    if (needs != "") {
        bare = command
        while (match(bare, /^[A-Z_]+=('[^']*'|"[^"]*"|[^ '"]*)[ \t]+/)) bare = substr(bare, RLENGTH + 1)
        calls = bare ~ /^(dst-load-controller|cargo run --release --) / || (bare ~ /^kubectl / && bare ~ / -- /)
        if (!calls) plain = ""
        sub(/[ \t]&([ \t]*#.*)?$/, "", plain)
    }
    if (plain != "") {
        print plain > script
        printf "ended $? %d %d\n", wanted, from > script
    }
    command = ""
}

function begin_block(info) {
    word = info
    sub(/[ \t].*/, "", word)
    if (word == "bash" || word == "shell" || word == "console") {
        printf "%d\trefused a block of commands is marked sh, not %s\t-\n", NR, word
        return
    }
    if (word != "sh") return
    needs = info
    sub(/^sh[ \t]*/, "", needs)
    if (needs != "" && needs !~ /^needs=/) {
        printf "%d\trefused a block is marked `sh` or `sh needs=WHAT`, not `%s`\t-\n", NR, info
        return
    }
    sub(/^needs=/, "", needs)
    if (needs == "") needs = default_needs
    script = sprintf("%s/block-%d.sh", place, NR)
    printf "# %s\n", page > script
    printf "%d\t%s\t%s\n", NR, needs == "" ? "-" : needs, script
    taken = 1
    command = ""
    until = ""
}

# What is commented out is not shown.
!inside && hidden { if (/-->/) hidden = 0; next }
!inside && /^ *<!--/ { hidden = !/-->/; next }
/^ *```/ {
    if (!inside) {
        inside = 1
        taken = 0
        indent = match($0, /`/) - 1
        info = substr($0, indent + 4)
        begin_block(info)
    } else {
        if (taken) { close_command(); close(script) }
        inside = 0
        taken = 0
    }
    next
}

taken {
    line = substr($0, indent + 1)
    if (until != "") {
        command = command "\n" line
        if (line == until) { until = ""; close_command() }
        next
    }
    if (command == "") {
        if (line ~ /^[ \t]*(#.*)?$/) next
        from = NR
        wanted = 0
        command = line
    } else {
        command = command "\n" line
    }
    if (match(line, /# exits with [0-9]+[ \t]*$/)) wanted = substr(line, RSTART + 13) + 0
    if (line ~ /\\$/) next
    if (match(line, /<<-?'?[A-Z]+'?/)) {
        until = substr(line, RSTART + 2, RLENGTH - 2)
        gsub(/['-]/, "", until)
        next
    }
    close_command()
}
