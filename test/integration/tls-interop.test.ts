// Other people's TLS: clients of several libraries against a mutual port, each with what it alone does.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ca, client, strangeClient, type TlsContext } from '../differential/cases/tls-fixtures.ts';
import type { TestCertificate } from '../support/certificates.ts';
import { REQUEST, TlsRig } from './tls-rig.ts';

const LAST_REQUEST = 'GET / HTTP/1.1\r\nhost: test.example\r\nconnection: close\r\n\r\n';

const CONTEXTS: Readonly<Record<string, TlsContext>> = {
  open: { validation: null, common: { alpn_protocols: ['http/1.1'] } },
  mutual: { requires: true, common: { alpn_protocols: ['http/1.1'] } },
};

function findProgram(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/go/bin'];
  return folders.map((folder) => join(folder, name)).find(existsSync) ?? null;
}
const without = (name: string): string | false => (findProgram(name) === null ? `there is no ${name}` : false);

type Ended = { readonly code: number; readonly output: string };

/** Runs a program to its end; `input` is left open for a moment behind what is written. */
function run(name: string, args: readonly string[], input = '', cwd?: string): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { timeout: 60_000, ...(cwd === undefined ? {} : { cwd }) };
    const child = execFile(findProgram(name) as string, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
    child.stdin?.on('error', () => {});
    child.stdin?.write(input);
    setTimeout(() => child.stdin?.end(), input === '' ? 0 : 400);
  });
}

describe('interoperability', () => {
  let rig: TlsRig;
  let folder = '';
  before(async () => {
    rig = await TlsRig.start(CONTEXTS);
    folder = rig.directory;
    writeFileSync(join(folder, 'ca.pem'), ca.pem);
    for (const [name, made] of Object.entries({ client, stranger: strangeClient })) {
      writeFileSync(join(folder, `${name}.pem`), made.chainPem);
      writeFileSync(join(folder, `${name}.key`), (made as TestCertificate).keyPem);
    }
  });
  after(() => rig.stop());
  const url = (listener: string): string => `https://test.example:${rig.port(listener)}/`;
  const file = (name: string): string => join(folder, name);

  describe('openssl s_client', { skip: without('openssl') }, () => {
    const connect = (listener: string, ...args: string[]): Promise<Ended> => {
      const common = [
        '-connect',
        `127.0.0.1:${rig.port(listener)}`,
        '-servername',
        'test.example',
        '-CAfile',
        file('ca.pem'),
      ];
      // Some wait for the end of the connection, so it ends with the answer.
      return run('openssl', ['s_client', ...common, ...args], LAST_REQUEST);
    };
    const showing = (name: string): string[] => ['-cert', file(`${name}.pem`), '-key', file(`${name}.key`)];

    for (const version of ['-tls1_2', '-tls1_3']) {
      it(`${version}: mutual, with ALPN`, async () => {
        const { output } = await connect('mutual', version, '-alpn', 'h2,http/1.1', ...showing('client'));
        assert.match(output, /Verify return code: 0 \(ok\)/);
        assert.match(output, /ALPN protocol: http\/1\.1/);
        assert.match(output, /x-peer: CN=client/);
      });

      it(`${version}: a stranger gets nothing`, async () => {
        const { output } = await connect('mutual', version, ...showing('stranger'));
        assert.doesNotMatch(output, /HTTP\/1\.1 200/);
      });

      it(`${version}: keeps a session and resumes it`, async () => {
        const kept = file(`session${version}`);
        const first = await connect('mutual', version, ...showing('client'), '-sess_out', kept, '-ign_eof');
        assert.match(first.output, /HTTP\/1\.1 200/);
        const second = await connect('mutual', version, ...showing('client'), '-sess_in', kept);
        assert.match(second.output, /Reused, TLSv1/);
        assert.match(second.output, /x-peer: CN=client/);
      });
    }

    it('asks in vain for a renegotiation', async () => {
      const common = ['-connect', `127.0.0.1:${rig.port('open')}`, '-servername', 'test.example', '-tls1_2'];
      const { output } = await run('openssl', ['s_client', ...common], `R\n${REQUEST}`);
      assert.doesNotMatch(output, /HTTP\/1\.1 200/);
      assert.match(output, /RENEGOTIATING/);
    });

    it('sends early data in vain', async () => {
      const kept = file('early');
      writeFileSync(file('early.txt'), REQUEST);
      await connect('open', '-tls1_3', '-sess_out', kept, '-ign_eof');
      const { output } = await connect('open', '-tls1_3', '-sess_in', kept, '-early_data', file('early.txt'));
      assert.doesNotMatch(output, /Early data was accepted/);
    });
  });

  describe('curl', { skip: without('curl') }, () => {
    const call = (listener: string, ...args: string[]): Promise<Ended> => {
      const resolve = ['--resolve', `test.example:${rig.port(listener)}:127.0.0.1`, '--cacert', file('ca.pem')];
      return run('curl', ['-sSi', '--max-time', '10', '--http1.1', ...resolve, ...args, url(listener)]);
    };

    it('trusts the certificate, and keeps the connection', async () => {
      const { code, output } = await call('open', url('open'), '-w', '%{num_connects};');
      assert.equal(code, 0, output);
      assert.match(output, /ok1;/);
      assert.match(output, /ok0;/);
    });

    it('mutual', async () => {
      const { output } = await call('mutual', '--cert', file('client.pem'), '--key', file('client.key'));
      assert.match(output, /x-peer: CN=client/);
    });

    it('without certificate', async () => {
      const { code, output } = await call('mutual');
      assert.notEqual(code, 0);
      assert.doesNotMatch(output, /200 OK/);
    });

    it('another name is not trusted', async () => {
      const resolve = ['--resolve', `other.example:${rig.port('open')}:127.0.0.1`, '--cacert', file('ca.pem')];
      const { code } = await run('curl', ['-sSi', ...resolve, `https://other.example:${rig.port('open')}/`]);
      assert.equal(code, 60);
    });
  });

  it('Go: mutual, resumed, twice', { skip: without('go'), timeout: 120_000 }, async () => {
    mkdirSync(file('go'));
    writeFileSync(join(file('go'), 'go.mod'), 'module client\n\ngo 1.21\n');
    writeFileSync(join(file('go'), 'main.go'), GO_CLIENT);
    const address = `127.0.0.1:${rig.port('mutual')}`;
    const { output } = await run('go', ['run', '.', address, folder], '', file('go'));
    assert.equal(output, 'false CN=client\ntrue CN=client\ntrue CN=client\n');
  });

  it('Java: mutual', { skip: without('java') || without('openssl'), timeout: 120_000 }, async () => {
    const stores = ['-passout', 'pass:secret', '-out', file('client.p12'), '-export', '-name', 'client'];
    await run('openssl', ['pkcs12', ...stores, '-in', file('client.pem'), '-inkey', file('client.key')]);
    writeFileSync(file('Client.java'), JAVA_CLIENT);
    const { output } = await run('java', [file('Client.java'), String(rig.port('mutual')), folder]);
    assert.match(output, /^TLSv1\.3 .*CN=client.*\nTLSv1\.2 .*CN=client/m);
  });
});

const GO_CLIENT = `package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	folder := os.Args[2]
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(must(os.ReadFile(folder + "/ca.pem")))
	config := &tls.Config{
		RootCAs:            roots,
		ServerName:         "test.example",
		Certificates:       []tls.Certificate{must(tls.LoadX509KeyPair(folder+"/client.pem", folder+"/client.key"))},
		ClientSessionCache: tls.NewLRUClientSessionCache(8),
	}
	for i := 0; i < 3; i++ {
		transport := &http.Transport{TLSClientConfig: config}
		answer := must((&http.Client{Transport: transport}).Get("https://" + os.Args[1] + "/"))
		answer.Body.Close()
		peer, _, _ := strings.Cut(answer.Header.Get("x-peer"), ",")
		fmt.Println(answer.TLS.DidResume, peer)
		transport.CloseIdleConnections()
	}
}
`;

const JAVA_CLIENT = `import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import javax.net.ssl.*;

public class Client {
  public static void main(String[] args) throws Exception {
    var keys = KeyStore.getInstance("PKCS12");
    keys.load(new FileInputStream(args[1] + "/client.p12"), "secret".toCharArray());
    var trust = KeyStore.getInstance("PKCS12");
    trust.load(null, null);
    trust.setCertificateEntry("ca", CertificateFactory.getInstance("X.509")
        .generateCertificate(new FileInputStream(args[1] + "/ca.pem")));
    var keyManagers = KeyManagerFactory.getInstance("PKIX");
    keyManagers.init(keys, "secret".toCharArray());
    var trustManagers = TrustManagerFactory.getInstance("PKIX");
    trustManagers.init(trust);
    var context = SSLContext.getInstance("TLS");
    context.init(keyManagers.getKeyManagers(), trustManagers.getTrustManagers(), null);
    for (var version : new String[] {"TLSv1.3", "TLSv1.2"}) {
      try (var socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", Integer.parseInt(args[0]))) {
        socket.setEnabledProtocols(new String[] {version});
        socket.getOutputStream().write("GET / HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n".getBytes());
        var answer = new String(socket.getInputStream().readAllBytes());
        System.out.println(socket.getSession().getProtocol() + " " + answer.lines()
            .filter(line -> line.startsWith("x-peer")).findFirst().orElse(answer));
      }
    }
  }
}
`;
