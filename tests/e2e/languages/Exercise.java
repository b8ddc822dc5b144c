import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * What programs on the JVM usually ask of the kernel. One line a check on stdout: its name,
 * {@code ok} or what it threw.
 */
public final class Exercise {
  private interface Check {
    void run() throws Exception;
  }

  private static final int BIG = 64 << 20;

  private static void expect(boolean condition, String what) {
    if (!condition) throw new AssertionError(what);
  }

  private static void threads() throws Exception {
    var pool = Executors.newFixedThreadPool(8);
    long sum = 0;
    for (int n = 0; n < 100; n++) {
      final int number = n;
      sum += pool.submit(() -> number).get();
    }
    pool.shutdown();
    expect(sum == 4950, "sum");
  }

  private static void processes() throws Exception {
    var process = new ProcessBuilder("/bin/sh", "-c", "echo out").start();
    expect(new String(process.getInputStream().readAllBytes()).equals("out\n"), "output");
    expect(process.waitFor() == 0, "status");
  }

  private static void exchange(ServerSocketChannel server, SocketAddress address)
      throws IOException {
    server.bind(address);
    server.configureBlocking(false);
    try (var selector = Selector.open();
        var client = SocketChannel.open(server.getLocalAddress())) {
      server.register(selector, SelectionKey.OP_ACCEPT);
      expect(selector.select(30_000) == 1, "nobody to accept");
      try (var peer = server.accept()) {
        client.write(ByteBuffer.wrap(new byte[] {1, 2, 3}));
        expect(peer.read(ByteBuffer.allocate(3)) == 3, "bytes");
      }
    }
  }

  private static void sockets() throws Exception {
    Path place = Files.createTempDirectory("s").resolve("s");
    try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      exchange(server, UnixDomainSocketAddress.of(place));
    }
    try (var server = ServerSocketChannel.open()) {
      exchange(server, new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    }
  }

  private static void timers() throws Exception {
    var pool = Executors.newScheduledThreadPool(1);
    pool.schedule(() -> {}, 5, TimeUnit.MILLISECONDS).get();
    pool.shutdown();
  }

  private static void noNameService() throws Exception {
    try {
      InetAddress.getByName("nobody.invalid");
    } catch (UnknownHostException expected) {
      return;
    }
    throw new AssertionError("a name was resolved");
  }

  private static void files() throws Exception {
    Path directory = Files.createTempDirectory("f");
    Path a = Files.write(directory.resolve("a"), new byte[100_000]);
    Files.copy(a, directory.resolve("b"));
    Files.move(a, directory.resolve("c"));
    try (var channel =
        FileChannel.open(
            directory.resolve("b"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      channel.lock().release();
      var view = channel.map(FileChannel.MapMode.READ_WRITE, 0, 4096);
      view.put(0, (byte) 1);
      view.force();
    }
    try (var list = Files.list(directory)) {
      expect(list.count() == 2, "files");
    }
  }

  private static void memory() {
    byte[] block = new byte[BIG];
    for (int at = 0; at < BIG; at += 4096) block[at] = 1;
    block = null;
    System.gc();
    expect(ByteBuffer.allocateDirect(BIG).capacity() == BIG, "direct");
  }

  private static void random() {
    new SecureRandom().nextBytes(new byte[32]);
  }

  // It asks by ioctl(2), which on the handler's connection would tell of the host.
  private static void interfacesAreRefused() throws Exception {
    try {
      NetworkInterface.getNetworkInterfaces();
    } catch (SocketException expected) {
      return;
    }
    throw new AssertionError("interfaces were listed");
  }

  public static void main(String[] arguments) {
    Map<String, Check> checks = new LinkedHashMap<>();
    checks.put("threads", Exercise::threads);
    checks.put("processes", Exercise::processes);
    checks.put("sockets", Exercise::sockets);
    checks.put("timers", Exercise::timers);
    checks.put("no_name_service", Exercise::noNameService);
    checks.put("files", Exercise::files);
    checks.put("memory", Exercise::memory);
    checks.put("random", Exercise::random);
    checks.put("interfaces_are_refused", Exercise::interfacesAreRefused);
    System.out.print("HTTP/1.0 200 OK\r\n\r\n");
    checks.forEach(
        (name, check) -> {
          try {
            check.run();
            System.out.println(name + " ok");
          } catch (Throwable problem) {
            System.out.println(name + " " + problem);
          }
        });
    System.out.flush();
    System.exit(0);
  }
}
