use umbral_presence::RealtimePlugin;

fn main() {
    let _ = RealtimePlugin::new().identity_resolver(|_| async { Some(7_i64) });
}
