#!/bin/sh
# A virtual sound card for tests: a PulseAudio server of its own, which touches no real one.
#
#   scripts/virtual-audio.sh install       get PulseAudio where it is missing (Debian, Ubuntu; root)
#   scripts/virtual-audio.sh serve FOLDER  serve in the foreground; FOLDER holds its socket
#
# Programs find it with PULSE_SERVER=unix:FOLDER/native and HOME=FOLDER. It has a loudspeaker
# ("Speaker") and a microphone ("Mic"), both default. "Room" is the air between them: what is played
# into the sink "room" reaches the microphone, and so does the loudspeaker, 60 ms later, when a test
# asks for the echo:
#
#   pactl load-module module-loopback source=speaker.monitor sink=room latency_msec=60 adjust_time=0
set -eu

case "${1:-}" in
install)
    command -v pulseaudio >/dev/null && command -v pactl >/dev/null && exit 0
    echo "PulseAudio is missing: installing it for the tests with virtual sound cards"
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] &&
        apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            pulseaudio pulseaudio-utils >/dev/null; then
        exit 0
    fi
    echo "PulseAudio cannot be installed here; the tests with virtual sound cards will be skipped"
    ;;
serve)
    folder=${2:?"usage: virtual-audio.sh serve FOLDER"}
    mkdir -p "$folder"
    cat >"$folder/default.pa" <<PA
load-module module-native-protocol-unix socket=$folder/native auth-anonymous=1
load-module module-null-sink sink_name=speaker rate=48000 sink_properties=device.description=Speaker
load-module module-null-sink sink_name=room rate=48000 sink_properties=device.description=Room
load-module module-remap-source master=room.monitor source_name=mic source_properties=device.description=Mic
set-default-sink speaker
set-default-source mic
PA
    export HOME="$folder" XDG_RUNTIME_DIR="$folder" PULSE_RUNTIME_PATH="$folder"
    unset DISPLAY DBUS_SESSION_BUS_ADDRESS PULSE_SERVER
    exec pulseaudio -n -F "$folder/default.pa" --daemonize=no --exit-idle-time=-1 \
        --disable-shm=yes --log-target=stderr --log-level=error
    ;;
*)
    sed -n 's/^# \{0,1\}//p' "$0" | sed 1d >&2
    exit 2
    ;;
esac
