/// The script that keeps the page current. The page is complete without it, and stands still.
enum Script {
    static let text = #"""
        'use strict';
        (() => {
          const main = document.getElementById('main');
          if (!main || !main.dataset.events) return;
          const live = document.getElementById('live');
          const notice = document.getElementById('notice');
          const version = document.querySelector('script[src]').getAttribute('src');
          const still = matchMedia('(prefers-reduced-motion: reduce)');

          // Ages and countdowns, by the daemon's clock: that of the reader may be wrong.
          let skew = 0;
          const now = () => Date.now() + skew;
          const two = (number) => String(number).padStart(2, '0');
          const space = '\u00a0';

          function age(seconds) {
            const whole = Math.max(0, Math.floor(seconds));
            if (whole < 60) return whole + space + 's';
            if (whole < 3600) return Math.floor(whole / 60) + space + 'm' + space + two(whole % 60) + space + 's';
            if (whole < 86400) return Math.floor(whole / 3600) + space + 'h' + space + two(Math.floor(whole / 60) % 60) + space + 'm';
            return Math.floor(whole / 86400) + space + 'd' + space + (Math.floor(whole / 3600) % 24) + space + 'h';
          }

          const day = (date) => date.getFullYear() + '-' + two(date.getMonth() + 1) + '-' + two(date.getDate());

          function clock(date) {
            const time = two(date.getHours()) + ':' + two(date.getMinutes()) + ':' + two(date.getSeconds());
            return day(date) === day(new Date(now())) ? time : day(date) + ' ' + time;
          }

          function paint() {
            for (const time of document.querySelectorAll('time')) {
              const at = Date.parse(time.dateTime);
              if (Number.isNaN(at)) continue;
              let text = time.textContent;
              if ('since' in time.dataset) text = age((now() - at) / 1000);
              else if ('until' in time.dataset) text = age((at - now()) / 1000);
              else if ('clock' in time.dataset) text = clock(new Date(at));
              if (text !== time.textContent) time.textContent = text;
              if (time.title !== time.dateTime) time.title = time.dateTime;
            }
          }

          // Makes one element like another with as few changes as can be: focus, selection, scrolling and open details stay.
          function morph(old, next) {
            if (old === live || old === notice) return;
            for (const { name, value } of next.attributes) {
              if (name !== 'open' && old.getAttribute(name) !== value) old.setAttribute(name, value);
            }
            for (const { name } of [...old.attributes]) {
              if (name !== 'open' && name !== 'title' && !next.hasAttribute(name)) old.removeAttribute(name);
            }
            // paint() writes their text.
            if (old.localName === 'time') return;
            const kept = new Set([...next.children].map((child) => child.id).filter(Boolean));
            let at = old.firstChild;
            for (const child of [...next.childNodes]) {
              while (at && at.id && at.id !== child.id && !kept.has(at.id)) at = drop(at);
              let match = null;
              if (child.id) match = [...old.children].find((candidate) => candidate.id === child.id) || null;
              else if (at && !at.id && at.nodeName === child.nodeName) match = at;
              if (!match) {
                const added = document.importNode(child, true);
                old.insertBefore(added, at);
                if (child.id && child.nodeType === 1) flash(added);
                continue;
              }
              if (match === at) at = at.nextSibling;
              else old.insertBefore(match, at);
              if (match.nodeType === 1) morph(match, child);
              else if (match.nodeValue !== child.nodeValue) match.nodeValue = child.nodeValue;
            }
            while (at) at = drop(at);
          }

          function drop(node) {
            const following = node.nextSibling;
            node.remove();
            return following;
          }

          function flash(element) {
            if (!still.matches) element.animate([{ backgroundColor: 'color-mix(in srgb, Highlight 14%, transparent)' }, {}], 1500);
          }

          function show(text) {
            const page = new DOMParser().parseFromString(text, 'text/html');
            const next = page.getElementById('main');
            if (!next) throw new Error('not a page of AutoGit');
            // Another version of the daemon has another script and style.
            if (page.querySelector('script[src]').getAttribute('src') !== version) return location.reload();
            const focused = document.activeElement;
            const log = main.querySelector('pre.log');
            const atEnd = !log || log.scrollTop + log.clientHeight > log.scrollHeight - 24;
            document.title = page.title;
            for (const part of ['header', 'main', 'footer']) morph(document.querySelector('body > ' + part), page.querySelector('body > ' + part));
            setClock();
            paint();
            if (log && atEnd) log.scrollTop = log.scrollHeight;
            if (focused && focused !== document.body && !focused.isConnected) main.focus({ preventScroll: true });
            if (!main.dataset.events) stop('');
          }

          function setClock() {
            if (main.dataset.now) skew = Number(main.dataset.now) - Date.now();
          }

          // At most two a second, fewer when the daemon takes its time, never two at once.
          let timer = 0, isReading = false, again = false, hasFailed = false, last = Date.now(), cost = 0;

          function soon() {
            if (document.hidden || timer) return;
            if (isReading) { again = true; return; }
            timer = setTimeout(read, Math.max(60, last + Math.min(2000, Math.max(500, 4 * cost)) - Date.now()));
          }

          async function read() {
            timer = 0;
            isReading = true;
            last = Date.now();
            try {
              const answer = await fetch(location.href, { cache: 'no-store', headers: { Accept: 'text/html' }, signal: AbortSignal.timeout(10000) });
              if (answer.redirected) return location.assign(answer.url);
              if (answer.status >= 500) throw new Error('not now');
              show(await answer.text());
              hasFailed = false;
              if (!source || source.readyState === EventSource.OPEN) say(source ? 'live' : 'slow');
            } catch {
              hasFailed = true;
              say('lost');
            } finally {
              cost = Date.now() - last;
              isReading = false;
              if (again) { again = false; soon(); }
            }
          }

          const words = { live: 'live', lost: 'reconnecting…', slow: 'every 15 s' };

          function say(state) {
            if (live.dataset.state === state) return;
            live.dataset.state = state;
            live.textContent = words[state] || '';
          }

          // Events only say that something changed; the page itself is the one source of what it shows.
          let source = null, retry = 5, retrying = 0;

          function connect() {
            clearTimeout(retrying);
            if (source || document.hidden || !main.dataset.events) return;
            source = new EventSource(main.dataset.events);
            // Also the first time: something may have changed since the page was made.
            source.onopen = () => { retry = 5; say('live'); soon(); };
            source.onerror = () => {
              if (source && source.readyState !== EventSource.CLOSED) return say('lost');
              // The browser has given up, for the answer was no stream of events.
              source = null;
              say('slow');
              retrying = setTimeout(connect, retry * 1000);
              retry = Math.min(300, retry * 2);
            };
            for (const kind of ['message', 'job', 'runner', 'pool', 'health', 'incident', 'reset']) source.addEventListener(kind, heard);
          }

          function heard(event) {
            const match = main.dataset.match;
            if (event.type === 'reset' || !match || String(event.data).includes(match)) soon();
          }

          function stop(state) {
            clearTimeout(timer);
            clearTimeout(retrying);
            timer = 0;
            if (source) source.close();
            source = null;
            say(state);
          }

          document.addEventListener('visibilitychange', () => {
            if (document.hidden) return stop('');
            paint();
            connect();
            soon();
          });

          setInterval(() => {
            if (document.hidden) return;
            paint();
            // For what changes without an event, such as the charts; for all when there are no events; and once more after a failure.
            const every = hasFailed ? 5 : Number(main.dataset.refresh) || (source ? 60 : 15);
            if (main.dataset.events && Date.now() - last >= every * 1000) soon();
          }, 1000);

          // Orders keep the place on the page; the answer is the page after them, or says why not.
          document.addEventListener('submit', async (event) => {
            const form = event.target;
            if (!('order' in form.dataset)) return;
            event.preventDefault();
            if ('busy' in form.dataset) return;
            form.dataset.busy = '';
            notice.hidden = true;
            try {
              const body = new URLSearchParams(new FormData(form));
              const answer = await fetch(form.getAttribute('action'), { method: 'POST', headers: { Accept: 'text/html' }, body });
              const to = new URL(answer.url).pathname;
              if (answer.ok && to === '/ui/sign-in') return location.assign(to);
              if (answer.ok) return to === location.pathname ? show(await answer.text()) : soon();
              const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
              const why = page.getElementById('problem');
              notice.textContent = why ? why.textContent : 'AutoGit answered with status ' + answer.status + '.';
              notice.hidden = false;
            } catch {
              notice.textContent = 'AutoGit does not answer. Nothing may have happened; look again before you repeat it.';
              notice.hidden = false;
            } finally {
              delete form.dataset.busy;
            }
          });

          setClock();
          paint();
          const log = main.querySelector('pre.log');
          if (log) log.scrollTop = log.scrollHeight;
          connect();
        })();

        """#
}
