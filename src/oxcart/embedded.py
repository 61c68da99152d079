"""stub"""
class ServerNotFound(Exception): pass
class ServerFailed(Exception): pass
class Server: pass
def is_embedded(url): return url.startswith("embedded:")
def directory_of(url): ...
def acquire(d): ...
def find_binary():
    import shutil
    return shutil.which("redis-server")
