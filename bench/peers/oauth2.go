// Go's golang.org/x/oauth2 under the measures of bench/peers.lua (`make bench-peers`).
//
//	oauth2 cached            ns of a Token() that has a valid token
//	oauth2 read THREADS N    N of them in each of THREADS goroutines: seconds until the last one's end
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const callers = 64

var kept string

func say(measure string, value float64) {
	fmt.Printf("{\"measure\":%q,\"value\":%g}\n", measure, value)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func newSource() oauth2.TokenSource {
	config := clientcredentials.Config{
		ClientID: "bench", ClientSecret: "bench", TokenURL: os.Getenv("BENCH_TOKEN_URL"),
		AuthStyle: oauth2.AuthStyleInParams,
	}
	return config.TokenSource(context.Background())
}

func token(source oauth2.TokenSource) {
	t, err := source.Token()
	must(err)
	kept = t.AccessToken
}

type never struct{}

func (never) Token() (*oauth2.Token, error) {
	panic("the token in the cache is valid")
}

func validSource() oauth2.TokenSource {
	valid := &oauth2.Token{AccessToken: "token", Expiry: time.Now().Add(time.Hour)}
	return oauth2.ReuseTokenSource(valid, never{})
}

func cached() {
	const calls = 5000000
	source := validSource()
	began := time.Now()
	for i := 0; i < calls; i++ {
		token(source)
	}
	say("cached", float64(time.Since(began).Nanoseconds())/calls)
}

// Seconds of a processor that this process has had.
func processor() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func read(threads, calls int) {
	source := validSource()
	var all sync.WaitGroup
	began := time.Now()
	for i := 0; i < threads; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := 0; j < calls; j++ {
				if _, err := source.Token(); err != nil {
					panic(err)
				}
			}
		}()
	}
	all.Wait()
	say("read", time.Since(began).Seconds())
	say("busy", processor())
}

func get(client *http.Client) {
	answer, err := client.Get(os.Getenv("BENCH_API_URL"))
	must(err)
	defer answer.Body.Close()
	var page map[string]interface{}
	must(json.NewDecoder(answer.Body).Decode(&page))
	if len(page["Tracks"].(map[string]interface{})["Items"].([]interface{})) != 15 {
		panic("not the page that was served")
	}
	answer.Body.Read(make([]byte, 1))
}

func resident() float64 {
	status, err := os.ReadFile("/proc/self/status")
	must(err)
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmRSS:") {
			kib, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
			return kib * 1024
		}
	}
	return 0
}

func calls(count int) {
	const rounds = 5
	client := oauth2.NewClient(context.Background(), newSource())
	var times []float64
	for round := 0; round <= rounds; round++ {
		began := time.Now()
		for i := 0; i < count; i++ {
			get(client)
		}
		if round > 0 {
			times = append(times, time.Since(began).Seconds()/float64(count)*1e6)
		}
	}
	sort.Float64s(times)
	say("calls", times[rounds/2])
	say("memory", resident())
}

func together() {
	source := newSource()
	var all sync.WaitGroup
	for i := 0; i < callers; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := source.Token(); err != nil {
				panic(err)
			}
		}()
	}
	all.Wait()
	say("served", callers)
}

func renewal(idle, busy time.Duration) {
	source := newSource()
	token(source)
	say("ready", 1)
	time.Sleep(idle)
	say("idle", 1)
	time.Sleep(200 * time.Millisecond) // the driver looks at the server
	waits, longest := 0, time.Duration(0)
	for end := time.Now().Add(busy); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		began := time.Now()
		token(source)
		took := time.Since(began)
		if took > 50*time.Millisecond {
			waits++
		}
		if took > longest {
			longest = took
		}
	}
	say("waits", float64(waits))
	say("longest", longest.Seconds()*1000)
}

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	must(err)
	return n
}

func seconds(i int) time.Duration {
	s, err := strconv.ParseFloat(os.Args[i], 64)
	must(err)
	return time.Duration(s * float64(time.Second))
}

func main() {
	switch os.Args[1] {
	case "first":
		token(newSource())
	case "cached":
		cached()
	case "read":
		read(number(2), number(3))
	case "calls":
		calls(number(2))
	case "together":
		together()
	case "renewal":
		renewal(seconds(2), seconds(3))
	}
}
