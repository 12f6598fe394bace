// @azure/msal-node under the measures of bench/peers.lua. It takes an https authority only: the
// certificate comes in NODE_EXTRA_CA_CERTS. API calls are made with Node's own fetch.
"use strict";

const fs = require("fs");
const path = require("path");
const msal = require(path.join(process.env.BENCH_NODE_MODULES, "@azure/msal-node"));

const request = { scopes: ["https://bench/.default"] };
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const say = (measure, value) => process.stdout.write(JSON.stringify({ measure, value }) + "\n");
const now = () => Number(process.hrtime.bigint()) / 1e9;

const authority = process.env.BENCH_AUTHORITY;
const app = new msal.ConfidentialClientApplication({
    auth: {
        clientId: "bench", clientSecret: "bench", authority,
        knownAuthorities: [new URL(authority).host],
    },
    system: { protocolMode: msal.ProtocolMode.OIDC },
});

async function token() {
    return (await app.acquireTokenByClientCredential(request)).accessToken;
}

function median(list) {
    return list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
}

async function cached() {
    const times = [];
    await token();
    for (let round = 0; round < 7; round++) {
        const began = now();
        for (let i = 0; i < 2000; i++) await token();
        times.push((now() - began) / 2000 * 1e9);
    }
    say("cached", median(times));
}

async function get() {
    const answer = await fetch(process.env.BENCH_API_URL, {
        headers: { Authorization: "Bearer " + await token() },
    });
    const page = await answer.json();
    if (page.Tracks.Items.length !== 15) throw new Error("not the page that was served");
}

function resident() {
    return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
}

async function calls(count) {
    const times = [];
    for (let round = 0; round < 6; round++) {
        const began = now();
        for (let i = 0; i < count; i++) await get();
        if (round > 0) times.push((now() - began) / count * 1e6);
    }
    say("calls", median(times));
    say("memory", resident());
}

async function renewal(idle, busy) {
    let waits = 0, longest = 0;
    await token();
    say("ready", 1);
    await sleep(idle);
    say("idle", 1);
    await sleep(0.2); // the driver looks at the server
    for (const end = now() + busy; now() < end; await sleep(0.005)) {
        const began = now();
        await token();
        const took = now() - began;
        waits += took > 0.05 ? 1 : 0;
        longest = Math.max(longest, took);
    }
    say("waits", waits);
    say("longest", longest * 1000);
}

const measures = {
    first: token,
    cached,
    calls,
    together: async () => {
        const tokens = await Promise.all(Array.from({ length: 64 }, token));
        say("served", tokens.length);
    },
    renewal,
};

measures[process.argv[2]](...process.argv.slice(3).map(Number)).catch((problem) => {
    console.error(problem);
    process.exit(1);
});
