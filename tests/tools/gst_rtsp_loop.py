#!/usr/bin/python3
"""Serve an MP4 as an endless RTSP stream on loopback, with Debian's GStreamer and ffmpeg.

Usage: gst_rtsp_loop.py FILE.mp4 [port] [path] [user:password [digest]]
"""

import os
import subprocess
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

# One ffmpeg per pass, paced by -re, no re-encoding; raw Annex-B down one pipe, stamped on arrival,
# so that the seam is invisible. `-stream_loop -1 -c copy` stops after the first pass on some MP4s.
PASSES = (
    'while :; do ffmpeg -v error -nostdin -re -i "$0" -an -c:v copy -bsf:v h264_mp4toannexb '
    "-f h264 -flush_packets 1 pipe:1 || break; done"
)


class Loop(GstRtspServer.RTSPMediaFactory):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip
        self.set_shared(False)  # shared, it would end for all when one of them leaves

    def do_create_element(self, url):
        self.passes = subprocess.Popen(
            ["bash", "-c", PASSES, self.clip], stdout=subprocess.PIPE, start_new_session=True
        )
        return Gst.parse_launch(
            f"( fdsrc fd={self.passes.stdout.fileno()} do-timestamp=true ! h264parse "
            "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )

    def do_configure(self, media):
        media.set_reusable(False)
        pid = self.passes.pid  # of the element that was just created for this client
        media.connect("unprepared", lambda _: os.killpg(pid, 9))


def ask_for(login, method, server, factory):
    user, _, password = login.partition(":")
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(user, "media.factory.access", True)
    permissions.add_permission_for_role(user, "media.factory.construct", True)
    auth = GstRtspServer.RTSPAuth()
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    factory.set_permissions(permissions)


def main(clip, port="8554", path="/cam", login="", method="basic"):
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = Loop(clip)
    if login:
        ask_for(login, method, server, factory)
    server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print(f"rtsp://127.0.0.1:{port}{path}", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
